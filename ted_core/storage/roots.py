"""Roots: the folders and buckets that files may lie in. The one place that tells the two kinds apart."""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ted_core.storage.file_store import FileStore, StorageRoot
from ted_core.storage.local_files import LocalFileStore
from ted_core.storage.object_files import ObjectFileStore
from ted_core.storage.object_store import ObjectUri

BETWEEN_ROOTS = re.compile(rf"{os.pathsep}(?!//)")
"""What separates folders in PATH, except the colon of a URI."""


def file_store(root: StorageRoot) -> FileStore:
    """The files below the root."""
    return ObjectFileStore(root) if isinstance(root, ObjectUri) else LocalFileStore(root)


def root_containing(location: StorageRoot) -> StorageRoot:
    """The root of whatever lies there: its bucket, or this machine."""
    return location.bucket if isinstance(location, ObjectUri) else Path(location.anchor)


def is_under_root(location: StorageRoot, roots: Sequence[StorageRoot]) -> bool:
    """Whether the location, which leads over no links, is one of the roots or lies in one."""
    if isinstance(location, ObjectUri):
        return any(location.is_relative_to(root) for root in roots if isinstance(root, ObjectUri))
    return any(location.is_relative_to(root.resolve()) for root in roots if isinstance(root, Path))


def parse_roots(text: str) -> tuple[StorageRoot, ...]:
    """The roots that a variable such as TED_DATASET_ROOTS holds, separated as in PATH.

    Raises ValueError for a URI that names no bucket.
    """
    return tuple(parse_root(part) for part in BETWEEN_ROOTS.split(text) if part)


def parse_root(text: str) -> StorageRoot:
    """A folder's path, made absolute, or the URI of a bucket or of a folder in one. Raises ValueError."""
    return ObjectUri.parse(text) if "://" in text else Path(text).expanduser().absolute()


def roots_in_file(path: Path) -> tuple[StorageRoot, ...]:
    """The roots that a file lists, one on each line; none if there is no such file.

    None as well if it belongs to another user, or if others may write to it: they could allow themselves any file that
    this process can read. Lines that name no root are passed over.
    """
    try:
        with path.open(encoding="utf-8") as file:
            facts = os.fstat(file.fileno())
            if facts.st_uid != os.geteuid() or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return ()
            return tuple(_roots_of_lines(file))
    except (OSError, UnicodeDecodeError):
        return ()


def _roots_of_lines(lines: Iterable[str]) -> Iterator[StorageRoot]:
    for line in filter(None, map(str.strip, lines)):
        with suppress(ValueError):
            yield parse_root(line)
