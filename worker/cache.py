"""Keeps the folder of tokens and features within its limit."""

from contextlib import suppress
from pathlib import Path


def trim(folder: Path, *, at_most: int) -> None:
    """Remove the files that were used longest ago until the rest take at most so many bytes.

    Another runner may be reading a file that is removed, or remove it first: open files outlive their names.
    """
    files = {path: path.stat() for path in folder.rglob("*") if path.is_file()} if folder.is_dir() else {}
    left = sum(one.st_size for one in files.values())
    for path, one in sorted(files.items(), key=lambda item: max(item[1].st_atime, item[1].st_mtime)):
        if left <= at_most:
            return
        with suppress(FileNotFoundError):
            path.unlink()
        left -= one.st_size
