"""A dataset reference → its outline or its samples. The one place that knows which formats there are."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ted_core.datasets.formats import Format, Limits, Outline
from ted_core.datasets.idx import IDX
from ted_core.datasets.location import inside, locate
from ted_core.datasets.npz import NPZ
from ted_core.datasets.parquet import PARQUET
from ted_core.datasets.samples import Samples
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetEmpty, DatasetUnreadable

FORMATS: Mapping[str, Format] = {"parquet": PARQUET, "npz": NPZ, "idx": IDX}


@dataclass(frozen=True)
class DatasetSummary:
    """What a submission can be checked against before anything is read."""

    rows: int
    columns: tuple[str, ...]
    guard: str
    """Changes when a file's name, size, time or rows do; cheaper than the fingerprint, and weaker."""


@dataclass(frozen=True)
class OpenedDataset:
    """A dataset whose files are known and allowed."""

    spec: DatasetSpec
    files: tuple[Path, ...]

    @property
    def format(self) -> Format:
        return FORMATS[self.spec.format]

    def outline(self) -> Outline:
        """Columns and rows, without reading the rows. Raises DatasetEmpty and what the format raises."""
        outline = self.format.outline(self.files, self.spec)
        if not sum(outline.rows):
            raise DatasetEmpty(self.spec.uri, field="dataset.uri")
        return outline

    def rows_per_file(self) -> tuple[int, ...]:
        """The dataset's rows that each file adds; a file of labels beside the inputs adds none."""
        rows = self.outline().rows
        return rows + (0,) * (len(self.files) - len(rows))


def opened(spec: DatasetSpec, *, roots: Sequence[Path]) -> OpenedDataset:
    """The dataset's files, each of them under the roots. Raises DatasetNotAllowed, DatasetNotFound."""
    path = locate(spec.uri, roots=roots)
    files = FORMATS[spec.format].files(path, spec)
    return OpenedDataset(spec, tuple(_regular(inside(file, roots=roots)) for file in files))


def _regular(file: Path) -> Path:
    """The file, unless it is a pipe or a device, which would keep its reader waiting."""
    if not file.is_file():
        raise DatasetUnreadable(f"{file.name} is no regular file", field="dataset.uri")
    return file


def inspect(spec: DatasetSpec, *, roots: Sequence[Path]) -> DatasetSummary:
    """What headers and footers tell of the dataset; every problem they show is raised, naming the request's field."""
    dataset = opened(spec, roots=roots)
    outline = dataset.outline()
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in dataset.files]
    guard = hashlib.sha256(json.dumps([stats, outline.rows]).encode()).hexdigest()
    return DatasetSummary(rows=sum(outline.rows), columns=outline.columns, guard=guard)


def load(spec: DatasetSpec, *, roots: Sequence[Path], limits: Limits | None = None) -> Samples:
    """Every usable row of the dataset, in memory. Raises TedErrors that name field, file and rows."""
    dataset = opened(spec, roots=roots)
    dataset.outline()
    return dataset.format.load(dataset.files, spec, limits or Limits())
