"""Logs that do not grow for ever, though the processes that write them never open another file."""

import shutil
from contextlib import suppress
from pathlib import Path

LARGEST_BYTES = 32 << 20
OLDER_FILES = 3
"""How many files of what was logged before are kept beside a log: ``.1`` is the newest."""


def rotate_if_large(log: Path) -> None:
    """Copy a log that has become too large to ``<log>.1``, and empty it.

    It must be written in append mode. What is written between copying and emptying is lost, as with logrotate's
    ``copytruncate``. A disk that is full leaves the log as it is.
    """
    with suppress(OSError):
        if log.stat().st_size > LARGEST_BYTES:
            _rotate(log)


def _rotate(log: Path) -> None:
    for number in range(OLDER_FILES, 1, -1):
        with suppress(FileNotFoundError):
            _older(log, number - 1).rename(_older(log, number))
    shutil.copyfile(log, _older(log, 1))
    with log.open("r+b") as file:
        file.truncate()


def _older(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")
