"""Keeps the folder of tokens and features within its limit."""

import os
import stat
import time
from contextlib import suppress
from pathlib import Path

ABANDONED_SECONDS = 86400
"""An unfinished file that is older was left behind by a runner that died."""


def trim(folder: Path, *, at_most: int) -> None:
    """Remove the files that were used longest ago until the rest take at most so many bytes.

    Another runner may be reading a file that is removed, or remove it first: open files outlive their names.
    """
    files = {path: found for path in folder.rglob("*") if (found := _finished(path))}
    left = sum(one.st_size for one in files.values())
    for path, one in sorted(files.items(), key=lambda item: max(item[1].st_atime, item[1].st_mtime)):
        if left <= at_most:
            return
        with suppress(FileNotFoundError):
            path.unlink()
        left -= one.st_size


def _finished(path: Path) -> os.stat_result | None:
    """A file's facts; None for a folder, for what has just gone, and for what somebody is writing."""
    with suppress(FileNotFoundError):
        found = path.stat()
        writing = ".partial" in path.name and time.time() - found.st_mtime < ABANDONED_SECONDS
        return found if stat.S_ISREG(found.st_mode) and not writing else None
    return None
