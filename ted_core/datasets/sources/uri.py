"""Where a dataset lies: a reference → a file or folder that this process may read, or a refusal."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ted_core.datasets.sources.base import FIELD, Source, resolve_under_roots
from ted_core.errors import DatasetNotAllowed, DatasetNotFound
from ted_core.storage.file_store import StorageRoot
from ted_core.storage.object_store import ObjectUri, is_object_uri

SUSPICIOUS = re.compile(r"[\x00-\x1f\x7f?#\\]|%(?:2e|2f|5c|00|25|23|3f)", re.IGNORECASE)
"""Control characters, queries, fragments, and escapes that hide dots, slashes or other escapes."""


def locate(uri: str, *, roots: Sequence[StorageRoot]) -> Source:
    """The existing file or folder that ``uri`` names, symbolic links resolved; or a pattern in a folder that exists.

    An absolute path, or a ``file://``, ``s3://`` or ``gs://`` URI, whose last part may hold ``*`` for any characters.
    Raises DatasetNotAllowed for any other spelling and for whatever lies outside the roots, whether or not it exists;
    DatasetNotFound for what would be allowed but is not there; StoreRefused, StoreUnavailable.
    """
    if SUSPICIOUS.search(uri):
        raise DatasetNotAllowed(f"{uri!r} contains characters or escapes that no dataset path needs", field=FIELD)
    location = _location(uri)
    allowed = resolve_under_roots(location, roots=roots)  # before a store is asked anything
    source = replace(Source.at(allowed), name=location.name)
    if not (source.exists or ("*" in source.name and source.parent().is_folder)):
        raise DatasetNotFound(f"{source} does not exist", field=FIELD)
    return source


def _location(uri: str) -> StorageRoot:
    """The object or path that the reference spells out; of a ``file://`` URI, decoded once."""
    try:
        if is_object_uri(uri):
            return ObjectUri.parse(uri)
        parts = urlsplit(uri)
    except ValueError as error:  # no bucket's name, brackets that hold no IPv6 address
        raise DatasetNotAllowed(f"{uri!r} is no URI ({error})", field=FIELD) from error
    path = unquote(parts.path) if parts.scheme == "file" and parts.netloc in ("", "localhost") else uri
    if not path.startswith("/") or ".." in Path(path).parts:
        fact = f"{uri!r} is neither an absolute path nor a file://, s3:// or gs:// URI"
        raise DatasetNotAllowed(fact, field=FIELD)
    return Path(path)
