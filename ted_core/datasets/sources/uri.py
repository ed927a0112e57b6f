"""Where a dataset lies: a reference → a file or folder that this process may read, or a refusal."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ted_core.datasets.sources.base import FIELD, DatasetRoot, Source, not_allowed_error
from ted_core.datasets.sources.local import DiskSource, resolve_under_roots
from ted_core.datasets.sources.object_store import StoredSource, is_under_root
from ted_core.errors import DatasetNotAllowed, DatasetNotFound
from ted_core.storage.object_store import ObjectUri, is_object_uri

SUSPICIOUS = re.compile(r"[\x00-\x1f\x7f?#\\]|%(?:2e|2f|5c|00|25|23|3f)", re.IGNORECASE)
"""Control characters, queries, fragments, and escapes that hide dots, slashes or other escapes."""
BETWEEN_ROOTS = re.compile(rf"{os.pathsep}(?!//)")
"""What separates folders in PATH, but for the colon of a URI."""


def locate(uri: str, *, roots: Sequence[DatasetRoot]) -> Source:
    """The existing file or folder that ``uri`` names, symbolic links resolved; or a pattern in a folder that exists.

    An absolute path, or a ``file://``, ``s3://`` or ``gs://`` URI, whose last part may hold ``*`` for any characters.
    Raises DatasetNotAllowed for any other spelling and for whatever lies outside the roots, whether or not it exists;
    DatasetNotFound for what would be allowed but is not there; StoreRefused, StoreUnavailable.
    """
    if SUSPICIOUS.search(uri):
        raise DatasetNotAllowed(f"{uri!r} contains characters or escapes that no dataset path needs", field=FIELD)
    source = _in_store(uri, roots) if is_object_uri(uri) else _on_disk(uri, roots)
    if not (source.exists or ("*" in source.name and source.parent().is_folder)):
        raise DatasetNotFound(f"{source} does not exist", field=FIELD)
    return source


def _in_store(uri: str, roots: Sequence[DatasetRoot]) -> StoredSource:
    """What the store says, asked only about what it may be asked about."""
    try:
        named = ObjectUri.parse(uri)
    except ValueError as error:
        raise DatasetNotAllowed(f"{uri!r} names no object ({error})", field=FIELD) from error
    if not is_under_root(named, roots):
        raise not_allowed_error(str(named))
    return StoredSource.at(named)


def _on_disk(uri: str, roots: Sequence[DatasetRoot]) -> DiskSource:
    path = _path(uri)
    return DiskSource.at(resolve_under_roots(path, roots=roots), name=path.name)


def _path(uri: str) -> Path:
    """The path that the reference spells out, decoded once."""
    try:
        parts = urlsplit(uri)
    except ValueError as error:  # brackets that hold no IPv6 address
        raise DatasetNotAllowed(f"{uri!r} is no URI ({error})", field=FIELD) from error
    spelled = unquote(parts.path) if parts.scheme == "file" and parts.netloc in ("", "localhost") else uri
    if not spelled.startswith("/") or ".." in Path(spelled).parts:
        fact = f"{uri!r} is neither an absolute path nor a file://, s3:// or gs:// URI"
        raise DatasetNotAllowed(fact, field=FIELD)
    return Path(spelled)


def parse_roots(written: str) -> tuple[DatasetRoot, ...]:
    """The roots that a variable such as TED_DATASET_ROOTS holds, separated as in PATH.

    Raises ValueError for a URI that names no bucket.
    """
    return tuple(parse_root(part) for part in BETWEEN_ROOTS.split(written) if part)


def parse_root(written: str) -> DatasetRoot:
    """A folder's path, made absolute, or the URI of a bucket or of a folder in one. Raises ValueError."""
    return ObjectUri.parse(written) if "://" in written else Path(written).expanduser().absolute()


def root_containing(uri: str) -> DatasetRoot:
    """The root of whatever the URI or absolute path names: its bucket, or this machine. Raises ValueError."""
    return ObjectUri.parse(uri).bucket if is_object_uri(uri) else Path(Path(uri).anchor)
