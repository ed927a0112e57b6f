"""Where a dataset lies: a reference → a file or folder that this process may read, or a refusal."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from ted_core.datasets.sources.base import FIELD, Source, resolve_under_roots
from ted_core.errors import DatasetNotAllowed, DatasetNotFound
from ted_core.storage.file_store import StorageRoot
from ted_core.storage.object_store import FILESYSTEMS, ObjectUri
from ted_core.storage.roots import is_under_root
from ted_core.suggestions import did_you_mean

FILE_SCHEME = "file://"
OBJECT_SCHEMES = tuple(f"{scheme}://" for scheme in FILESYSTEMS)
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\\]")
"""Control characters, and what separates folders elsewhere."""
SUSPICIOUS = re.compile(r"[\x00-\x1f\x7f?#\\]|%(?:2e|2f|5c|00|25|23|3f)", re.IGNORECASE)
"""In an object's URI: these, queries, fragments, and what would be an escape that hides something elsewhere."""
BAD_ESCAPE = re.compile("[?#]|%(?![0-9a-f]{2})|%(?:[01][0-9a-f]|2a|2e|2f|5c|7f)", re.IGNORECASE)
"""In a ``file://`` URI, queries, fragments, what is no escape, and escapes that hide dots, slashes, control characters
or an asterisk."""


def locate(uri: str, *, roots: Sequence[StorageRoot]) -> Source:
    """The existing file or folder that ``uri`` names, symbolic links resolved; or a pattern in a folder that exists.

    An absolute path, taken literally, or a ``file://`` URI, whose escapes are decoded, or an ``s3://`` or ``gs://``
    URI. The last part may hold ``*`` for any characters. No part is empty, ``.`` or ``..``; one slash may follow the
    last. Raises DatasetNotAllowed for any other spelling and for whatever lies outside the roots, whether or not it
    exists; DatasetNotFound for what would be allowed but is not there; StoreRefused, StoreUnavailable.
    """
    if (SUSPICIOUS if uri.startswith(OBJECT_SCHEMES) else UNPRINTABLE).search(uri):
        raise DatasetNotAllowed(f"{uri!r} contains characters or escapes that no dataset path needs", field=FIELD)
    location = _location(uri)
    allowed = resolve_under_roots(location, roots=roots)  # before a store is asked anything
    source = replace(Source.at(allowed), name=location.name)
    if not (source.exists or ("*" in source.name and source.parent().is_folder)):
        raise DatasetNotFound(f"{source} does not exist{_alike(allowed, roots)}", field=FIELD)
    return source


def _alike(location: StorageRoot, roots: Sequence[StorageRoot]) -> str:
    """What may have been meant, among the files beside it; nothing where they lie outside the roots or in a store."""
    if not isinstance(location, Path) or not is_under_root(location.parent, roots):
        return ""
    try:
        with os.scandir(location.parent) as entries:
            return did_you_mean(location.name, (entry.name for entry in entries))
    except OSError:
        return ""


def _location(uri: str) -> StorageRoot:
    """The object or path that the reference spells out."""
    try:
        return ObjectUri.parse(uri) if uri.startswith(OBJECT_SCHEMES) else _path(uri)
    except ValueError as error:  # no bucket's name, bytes that are not UTF-8
        raise DatasetNotAllowed(f"{uri!r} names nothing ({error})", field=FIELD) from error


def _path(uri: str) -> Path:
    """The absolute path, or that of a ``file://`` URI, decoded once. Raises ValueError."""
    path = _decoded(uri.removeprefix(FILE_SCHEME)) if uri.startswith(FILE_SCHEME) else uri
    if not path.startswith("/"):
        raise ValueError("it is neither an absolute path nor a file://, s3:// or gs:// URI")
    _, *parts = path.removesuffix("/").split("/")
    if not {"", ".", ".."}.isdisjoint(parts):
        raise ValueError("a path's parts are never empty, . or ..")
    return Path(path)


def _decoded(path: str) -> str:
    if escape := BAD_ESCAPE.search(path):
        hint = "a path without file:// is taken literally; in a URI, # is %23, ? is %3F and % is %25"
        raise ValueError(f"{escape[0]!r} is nothing that a file:// URI may hold; {hint}")
    return unquote(path, errors="strict")
