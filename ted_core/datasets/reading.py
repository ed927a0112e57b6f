"""A dataset reference → its outline or its samples. The one place that knows which formats there are."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ted_core.datasets.arrow import ARROW
from ted_core.datasets.delimited import CSV
from ted_core.datasets.formats import Format, Limits, Member, Outline
from ted_core.datasets.hf import HF
from ted_core.datasets.idx import IDX
from ted_core.datasets.image_folder import IMAGE_FOLDER
from ted_core.datasets.jsonl import JSONL
from ted_core.datasets.location import inside, locate
from ted_core.datasets.npz import NPZ
from ted_core.datasets.parquet import PARQUET
from ted_core.datasets.samples import Samples
from ted_core.datasets.spec import TASKS, DatasetSpec
from ted_core.datasets.webdataset import WEBDATASET
from ted_core.errors import DatasetEmpty, DatasetUnreadable
from ted_core.plugins import plugin

FORMATS: Mapping[str, Format] = {
    "parquet": PARQUET,
    "jsonl": JSONL,
    "csv": CSV,
    "arrow": ARROW,
    "hf": HF,
    "image-folder": IMAGE_FOLDER,
    "webdataset": WEBDATASET,
    "npz": NPZ,
    "idx": IDX,
}


def format_named(name: str) -> Format:
    """Our own format of this name, or an installed package's."""
    found = FORMATS.get(name) or plugin("ted.datasets", name, Format)
    assert found, "the specification knows every format"  # noqa: S101
    return found


@dataclass(frozen=True)
class DatasetSummary:
    """What a submission can be checked against before anything is read."""

    rows: int
    columns: tuple[str, ...]
    guard: str
    """Changes when a file's name, size, time or rows do; cheaper than the fingerprint, and weaker."""


@dataclass(frozen=True)
class OpenedDataset:
    """A dataset whose files are known and allowed: regular files under the roots."""

    spec: DatasetSpec
    files: tuple[Path, ...]

    @property
    def format(self) -> Format:
        return format_named(self.spec.format)

    def members(self) -> Iterator[Member]:
        """Every file of the dataset, in row order; of a folder that is taken as one file those inside it."""
        return (member for file in self.files for member in self.format.members(file))

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
    files = format_named(spec.format).files(path, spec)
    dataset = OpenedDataset(spec, tuple(inside(file, roots=roots) for file in files))
    for member in dataset.members():
        _check(member, roots=roots)
    return dataset


def _check(member: Member, *, roots: Sequence[Path]) -> None:
    """Raise DatasetNotAllowed for a link that leaves the roots, DatasetUnreadable for a pipe, which may never end."""
    try:
        if member.path.is_symlink():
            inside(member.path, roots=roots)
        regular = member.path.is_file()
    except OSError as error:  # a name too long for the file system, a folder that is closed to this process
        raise DatasetUnreadable(f"A file cannot be looked at ({error.strerror})", field="dataset.uri") from error
    if not regular:
        raise DatasetUnreadable(f"{member.name} is no regular file", field="dataset.uri")


def inspect(spec: DatasetSpec, *, roots: Sequence[Path]) -> DatasetSummary:
    """What headers and footers tell of the dataset; every problem they show is raised, naming the request's field."""
    dataset = opened(spec, roots=roots)
    outline = dataset.outline()
    stats = [_stats(member) for member in dataset.members()]
    guard = hashlib.sha256(json.dumps([stats, outline.rows]).encode()).hexdigest()
    return DatasetSummary(rows=sum(outline.rows), columns=outline.columns, guard=guard)


def _stats(member: Member) -> tuple[str, int, int]:
    found = member.path.stat()
    return member.name, found.st_size, found.st_mtime_ns


def load(spec: DatasetSpec, *, roots: Sequence[Path], limits: Limits | None = None) -> Samples:
    """Every usable row of the dataset, in memory. Raises TedErrors that name field, file and rows."""
    dataset = opened(spec, roots=roots)
    dataset.outline()
    samples = dataset.format.load(dataset.files, spec, limits or Limits())
    return samples if spec.task in TASKS else replace(samples, task=spec.task)
