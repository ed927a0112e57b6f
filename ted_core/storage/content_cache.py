"""What is costly to make is kept in a folder, under a name that says what it was made of; what is oldest makes room."""

import fcntl
import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from ted_core.storage.digests import sha256_of

UNFINISHED = ".partial"
MOMENT, HOUR = 60, 3600
"""Seconds in which the writer of a new file has surely locked it, and in which whole folders are written."""
Cached = TypeVar("Cached")


def load_or_create(
    folder: Path, key: str, ending: str, *, write: Callable[[Path], None], read: Callable[[Path], Cached]
) -> Cached:
    """What the folder holds for this key; written there first where it holds nothing or something damaged.

    What ``read`` returns may lie in the file: it stays good when the file is removed. Two who write at the same time
    both succeed.
    """
    if path := find_intact(folder, key, ending):
        with suppress(FileNotFoundError):  # somebody has just made room
            return read(path)
    with unfinished_file(folder) as unfinished:
        write(unfinished)
        made = read(unfinished)
        publish(unfinished, key, ending)
    return made


def find_intact(folder: Path, key: str, ending: str) -> Path | None:
    """The file of this key whose content is what its name says, which counts as used; damaged ones are removed."""
    for path in folder.glob(f"{key}.*{ending}"):
        with suppress(OSError):
            if path.name == _name(key, path, ending):
                os.utime(path)  # most file systems note reading at most once a day
                return path
        path.unlink(missing_ok=True)
    return None


@contextmanager
def unfinished_file(folder: Path) -> Iterator[Path]:
    """A new file in the folder, locked while it is written and gone at the end, unless it is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=folder, suffix=UNFINISHED)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield Path(name)
    finally:
        os.close(descriptor)
        Path(name).unlink(missing_ok=True)


def publish(unfinished: Path, key: str, ending: str) -> Path:
    """The draft, flushed and renamed: a file is whole or absent. Its name is key, digest of its content, ending."""
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    return unfinished.replace(unfinished.with_name(_name(key, unfinished, ending)))


def _name(key: str, content: Path, ending: str) -> str:
    return f"{key}.{sha256_of(content)}{ending}"


# --- what a file was made of ------------------------------------------------------------------------------------------


def key_of(**facts: object) -> str:
    """The hexadecimal SHA-256 of the facts, which JSON can hold."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def files_digest(files: Iterable[Path]) -> str:
    """The hexadecimal SHA-256 over the names and the contents of the files."""
    return key_of(files=[(path.name, sha256_of(path)) for path in files])


# --- room -------------------------------------------------------------------------------------------------------------


def trim(folder: Path, *, at_most: int) -> None:
    """Remove the files that were used longest ago until the rest take at most so many bytes.

    Another runner may be reading a file that is removed, or remove it first: open files outlive their names.
    """
    files = {path: found for path in folder.rglob("*") if (found := _removable(path))}
    left = sum(one.st_size for one in files.values())
    for path, one in sorted(files.items(), key=lambda item: max(item[1].st_atime, item[1].st_mtime)):
        if left <= at_most:
            return
        with suppress(FileNotFoundError):
            path.unlink()
        left -= one.st_size


def _removable(path: Path) -> os.stat_result | None:
    """A file's facts; None for a folder, for what has just gone, and for what somebody is writing."""
    with suppress(FileNotFoundError):
        found = path.stat()
        return found if stat.S_ISREG(found.st_mode) and not _being_written(path, found) else None
    return None


def _being_written(path: Path, found: os.stat_result) -> bool:
    """Whether this is a draft that is locked or new; a writer that dies, however it does, leaves it unlocked."""
    age = time.time() - found.st_mtime
    if path.suffix != UNFINISHED:
        return UNFINISHED in path.parent.suffixes and age < HOUR
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return age < MOMENT
