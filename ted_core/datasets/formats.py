"""What every file format offers; the reader picks one by its name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ted_core.datasets.samples import Samples
from ted_core.datasets.spec import DatasetSpec


@dataclass(frozen=True)
class Limits:
    """How loading may use the machine, and what it tolerates."""

    threads: int = 1
    memory_bytes: int | None = None
    max_undecodable: float = 0.01
    cache: Path | None = None
    """Where tokens and features of texts are kept."""


@dataclass(frozen=True)
class Outline:
    """What can be known of a dataset without reading its rows."""

    columns: tuple[str, ...]
    rows: tuple[int, ...]
    """Rows per file."""


@dataclass(frozen=True)
class Format:
    """One way of storing a dataset."""

    files: Callable[[Path, DatasetSpec], Sequence[Path]]
    """The dataset's files in row order, from the path that the request names."""
    outline: Callable[[Sequence[Path], DatasetSpec], Outline]
    """Checks what headers and footers tell; raises TedErrors that name the request's field."""
    load: Callable[[Sequence[Path], DatasetSpec, Limits], Samples]
