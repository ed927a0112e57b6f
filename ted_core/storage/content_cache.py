"""Costly files and folders are kept under names that say what they were made of; the oldest make room for new ones."""

import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from ted_core.storage.file_digest import sha256_of

UNFINISHED = ".partial"
MOMENT, HOUR = 60, 3600
"""Seconds in which the writer of a new file has surely locked it, and in which whole folders are written."""
Cached = TypeVar("Cached")


def load_or_create(
    folder: Path, key: str, ending: str, *, write: Callable[[Path], None], read: Callable[[Path], Cached]
) -> Cached:
    """Read the folder's file of this key; ``write`` makes it first if it is missing or damaged.

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


def load_or_create_folder(cache: Path, key: str, ending: str, *, write: Callable[[Path], None]) -> Path:
    """Return the cache's folder of this key; ``write`` fills it first if it is missing or damaged.

    It is written under another name and renamed, so that it is whole or absent, whoever else is making it.
    """
    if path := find_intact(cache, key, ending):
        return path
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, suffix=UNFINISHED, ignore_cleanup_errors=True) as unfinished:
        write(Path(unfinished))
        path = cache / _name(key, Path(unfinished), ending)
        try:
            Path(unfinished).rename(path)
        except OSError:
            if not path.exists():  # or else another process was first
                raise
    return path


def find_intact(cache: Path, key: str, ending: str) -> Path | None:
    """Return the file or folder of this key if its content is what its name says; remove damaged ones.

    What is found counts as used.
    """
    for path in cache.glob(f"{key}.*{ending}"):
        with suppress(OSError):  # somebody is making room
            if path.name == _name(key, path, ending):
                for file in path.iterdir() if path.is_dir() else [path]:
                    os.utime(file)  # most file systems note reading at most once a day
                return path
        _remove(path)
    return None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def unfinished_file(folder: Path) -> Iterator[Path]:
    """A new file in the folder, locked while it is written and gone at the end unless it is published."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=folder, suffix=UNFINISHED)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield Path(name)
    finally:
        os.close(descriptor)
        Path(name).unlink(missing_ok=True)


def publish(unfinished: Path, key: str, ending: str) -> Path:
    """Flush and rename an unfinished file: it is whole or absent. Its name is key, digest of its content, ending."""
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    return unfinished.replace(unfinished.with_name(_name(key, unfinished, ending)))


def _name(key: str, content: Path, ending: str) -> str:
    digest = files_digest(sorted(content.iterdir())) if content.is_dir() else sha256_of(content)
    return f"{key}.{digest}{ending}"


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
    files = {path: status for path in folder.rglob("*") if (status := _removable(path))}
    left = sum(status.st_size for status in files.values())
    for path, status in sorted(files.items(), key=lambda item: max(item[1].st_atime, item[1].st_mtime)):
        if left <= at_most:
            return
        with suppress(FileNotFoundError):
            path.unlink()
        left -= status.st_size


def _removable(path: Path) -> os.stat_result | None:
    """A file's facts; None for a folder, for what has just gone, and for what somebody is writing."""
    with suppress(FileNotFoundError):
        status = path.stat()
        return status if stat.S_ISREG(status.st_mode) and not _being_written(path, status) else None
    return None


def _being_written(path: Path, status: os.stat_result) -> bool:
    """Whether this file is unfinished and locked or new; a writer that dies, however it does, leaves it unlocked."""
    age = time.time() - status.st_mtime
    if path.suffix != UNFINISHED:
        return UNFINISHED in path.parent.suffixes and age < HOUR
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return age < MOMENT
