"""Files that only their owner may read."""

import os
import stat
from pathlib import Path

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def keep_new_files_private() -> None:
    """Let nobody but this user read what this process and its children create from here on."""
    os.umask(OTHERS)


def is_exposed(path: Path) -> bool:
    """Return whether others may do anything with the file, if it exists."""
    return path.exists() and bool(path.stat().st_mode & OTHERS)


def make_private(path: Path) -> None:
    """Take all rights to the file from others. Raises PermissionError if it belongs to another user."""
    path.chmod(path.stat().st_mode & ~OTHERS)
