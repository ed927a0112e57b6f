"""Where a dataset lies: a reference → paths that this process may read, or a refusal."""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ted_core.errors import DatasetNotAllowed, DatasetNotFound

FIELD = "dataset.uri"
SUSPICIOUS = re.compile(r"[\x00-\x1f\x7f?#\\]|%(?:2e|2f|5c|00|25|23|3f)", re.IGNORECASE)
"""Control characters, queries, fragments, and escapes that hide dots, slashes or other escapes."""


def locate(uri: str, *, roots: Sequence[Path]) -> Path:
    """The existing file or folder that ``uri`` names, symbolic links resolved; or a pattern in a folder that exists.

    An absolute path or a ``file://`` URI, whose last part may hold ``*`` for any characters. Raises DatasetNotAllowed
    for any other spelling and for whatever lies outside the roots, whether or not it exists; DatasetNotFound for what
    would be allowed but is not there.
    """
    path = inside(_path(uri), roots=roots)
    if not _exists(path):
        raise DatasetNotFound(f"{path} does not exist", field=FIELD)
    return path


def _exists(path: Path) -> bool:
    """Whether the file or folder exists, or the folder that a pattern's matches would lie in."""
    try:
        return path.exists() or ("*" in path.name and path.parent.is_dir())
    except OSError:  # a name too long for the file system, a folder that this process may not enter
        return False


def inside(path: Path, *, roots: Sequence[Path]) -> Path:
    """The path with symbolic links resolved, once it proved to lie under a root. Raises DatasetNotAllowed."""
    try:
        resolved = path.resolve()
    except (RuntimeError, ValueError) as error:  # links in a loop, characters that no file system knows
        raise DatasetNotAllowed(f"{str(path)!r} cannot be followed ({error})", field=FIELD) from error
    if not any(resolved.is_relative_to(root.resolve()) for root in roots):
        raise DatasetNotAllowed(f"{path} lies outside the allowed folders", field=FIELD)
    return resolved


def _path(uri: str) -> Path:
    """The path that the reference spells out, decoded once."""
    if SUSPICIOUS.search(uri):
        raise DatasetNotAllowed(f"{uri!r} contains characters or escapes that no dataset path needs", field=FIELD)
    try:
        parts = urlsplit(uri)
    except ValueError as error:  # brackets that hold no IPv6 address
        raise DatasetNotAllowed(f"{uri!r} is no URI ({error})", field=FIELD) from error
    spelled = unquote(parts.path) if parts.scheme == "file" and parts.netloc in ("", "localhost") else uri
    if not spelled.startswith("/") or ".." in Path(spelled).parts:
        raise DatasetNotAllowed(f"{uri!r} is neither an absolute path nor a file:// URI", field=FIELD)
    return Path(spelled)
