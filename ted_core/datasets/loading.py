"""A dataset reference → its outline or its samples. The one place that knows which formats there are."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ted_core.datasets.formats.arrow import ARROW
from ted_core.datasets.formats.base import Format, SchemaSummary
from ted_core.datasets.formats.csv import CSV
from ted_core.datasets.formats.huggingface import HF
from ted_core.datasets.formats.idx import IDX
from ted_core.datasets.formats.image_folder import IMAGE_FOLDER
from ted_core.datasets.formats.jsonl import JSONL
from ted_core.datasets.formats.npz import NPZ
from ted_core.datasets.formats.parquet import PARQUET
from ted_core.datasets.formats.webdataset import WEBDATASET
from ted_core.datasets.limits import Limits
from ted_core.datasets.samples import Samples
from ted_core.datasets.sources.base import DatasetRoot, Source
from ted_core.datasets.sources.uri import locate
from ted_core.datasets.spec import TASKS, DatasetSpec
from ted_core.datasets.summary_cache import cached_summary
from ted_core.errors import DatasetEmpty, DatasetTooLarge, DatasetUnreadable
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

MOST_ROWS = 1 << 32
"""What is known of each row takes a runner 250 bytes of memory."""


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
    change_token: str
    """Changes when a file's name, size, time or rows do; cheaper than the fingerprint, and weaker."""
    several_classes: bool = False
    """Whether a row may have any number of classes."""


@dataclass(frozen=True)
class OpenedDataset:
    """A dataset whose files are known and allowed: regular files under the roots."""

    spec: DatasetSpec
    files: tuple[Source, ...]

    @property
    def format(self) -> Format:
        return format_named(self.spec.format)

    def members(self) -> Iterator[Source]:
        """Every file of the dataset, in row order; of a folder that is taken as one file those inside it."""
        return (member for file in self.files for member in file.members)

    def schema_summary(self) -> SchemaSummary:
        """Columns and rows, without reading them. Raises DatasetEmpty, DatasetTooLarge and what the format raises."""
        files = list(self.members())
        outline = cached_summary(self.spec, files, lambda: self.format.schema_summary(self.files, self.spec))
        if not sum(outline.rows):
            raise DatasetEmpty(self.spec.uri, field="dataset.uri")
        if sum(outline.rows) > MOST_ROWS:
            raise DatasetTooLarge(f"It claims to have {sum(outline.rows):,} rows", field="dataset.uri")
        return outline

    def rows_per_file(self) -> tuple[int, ...]:
        """The dataset's rows that each file adds; a file of labels beside the inputs adds none."""
        rows = self.schema_summary().rows
        return rows + (0,) * (len(self.files) - len(rows))


def open_dataset(spec: DatasetSpec, *, roots: Sequence[DatasetRoot]) -> OpenedDataset:
    """The dataset's files, each of them under the roots.

    Raises DatasetNotAllowed, DatasetNotFound, and DatasetUnreadable for what is no regular file: a pipe may never end.
    """
    named = locate(spec.uri, roots=roots)
    files = format_named(spec.format).files(named, spec)
    dataset = OpenedDataset(spec, tuple(file.confine_to(roots) for file in files))
    other = next((member for member in dataset.members() if not member.is_file), None)
    if other:
        raise DatasetUnreadable(f"{other.name} is no regular file", field="dataset.uri")
    return dataset


def inspect(spec: DatasetSpec, *, roots: Sequence[DatasetRoot]) -> DatasetSummary:
    """What headers and footers tell of the dataset; every problem they show is raised, naming the request's field."""
    dataset = open_dataset(spec, roots=roots)
    outline = dataset.schema_summary()
    stats = [(member.name, member.size, member.modified) for member in dataset.members()]
    guard = hashlib.sha256(json.dumps([stats, outline.rows]).encode()).hexdigest()
    return DatasetSummary(sum(outline.rows), outline.columns, guard, outline.several_classes)


def load(spec: DatasetSpec, *, roots: Sequence[DatasetRoot], limits: Limits | None = None) -> Samples:
    """Every usable row of the dataset, in memory. Raises TedErrors that name field, file and rows."""
    dataset = open_dataset(spec, roots=roots)
    dataset.schema_summary()
    samples = dataset.format.load(dataset.files, spec, limits or Limits())
    return samples if spec.task in TASKS else replace(samples, task=spec.task)
