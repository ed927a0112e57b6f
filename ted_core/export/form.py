"""What every form of export offers."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ted_core.export.retained_rows import ExportBlock, ExportedDataset

CheckSuited = Callable[[ExportedDataset], None]
WriteBlock = Callable[[Path, ExportBlock, ExportedDataset], None]
Finish = Callable[[Path, ExportedDataset, int], None]
"""(folder, dataset, number of blocks) → what belongs to the whole is written."""


def _nothing(*_: object) -> None:
    """No check, no block, or no end."""


@dataclass(frozen=True)
class ExportForm:
    """One form of export: which datasets it suits, and how blocks of rows become files in a folder."""

    guide: str
    """How it is read: Markdown, for the card."""
    check: CheckSuited = _nothing
    """Raises ExportUnsuited."""
    write: WriteBlock | None = None
    """Writing the same block again leaves the same files; None if the manifest alone is enough."""
    finish: Finish = _nothing
    grows: tuple[str, ...] = ()
    """Files to which blocks are appended; all others are written whole."""
    package: str | None = None
    """What must be installed."""


def append(path: Path, content: bytes) -> None:
    """Append to the file, so that it is on the disk before it counts as done."""
    with path.open("ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
