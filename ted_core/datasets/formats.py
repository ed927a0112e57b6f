"""What every file format offers; the reader picks one by its name."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ted_core.datasets.samples import Samples
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetTooLarge


@dataclass(frozen=True)
class Limits:
    """How loading may use the machine, and what it tolerates."""

    threads: int = 1
    memory_bytes: int | None = None
    max_undecodable: float = 0.01
    cache: Path | None = None
    """Where tokens and features of texts are kept."""

    def refuse_beyond(self, size: int, what: str) -> None:
        """Raise DatasetTooLarge where what takes ``size`` bytes does not fit the memory allowed."""
        if self.memory_bytes and size > self.memory_bytes:
            raise DatasetTooLarge(f"{what} take {size:,} bytes", field="dataset.uri")


@dataclass(frozen=True)
class Outline:
    """What can be known of a dataset without reading its rows."""

    columns: tuple[str, ...]
    rows: tuple[int, ...]
    """Rows per file."""


class Member(NamedTuple):
    """A file that is part of a dataset."""

    name: str
    """Its own, or its path inside the folder that is taken as one file."""
    path: Path


def alone(path: Path) -> Iterable[Member]:
    """The file by itself."""
    return (Member(path.name, path),)


@dataclass(frozen=True)
class Format:
    """One way of storing a dataset."""

    files: Callable[[Path, DatasetSpec], Sequence[Path]]
    """The dataset's files in row order, from the path that the request names; or a folder taken as one file."""
    outline: Callable[[Sequence[Path], DatasetSpec], Outline]
    """Checks what headers and footers tell; raises TedErrors that name the request's field."""
    load: Callable[[Sequence[Path], DatasetSpec, Limits], Samples]
    members: Callable[[Path], Iterable[Member]] = alone
    """The files that one of ``files`` stands for: itself, or those in the folder that matter, in row order."""
