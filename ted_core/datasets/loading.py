"""A dataset reference → its summary or its samples. The one place that knows which formats there are."""

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
from ted_core.datasets.sources.base import Source
from ted_core.datasets.sources.uri import locate
from ted_core.datasets.spec import TASKS, DatasetSpec
from ted_core.datasets.summary_cache import cached_summary
from ted_core.errors import DatasetEmpty, DatasetTooLarge, DatasetUnreadable
from ted_core.plugins import plugin
from ted_core.storage.file_store import StorageRoot

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
"""A runner needs 250 bytes of memory for what is known of each row."""


def format_named(name: str) -> Format:
    """Return TED's own format of this name, or an installed package's."""
    file_format = FORMATS.get(name) or plugin("ted.datasets", name, Format)
    assert file_format, "the specification knows every format"  # noqa: S101
    return file_format


@dataclass(frozen=True)
class DatasetSummary:
    """What a submission can be checked against before any rows are read."""

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
        """Return every file of the dataset, in row order; for a folder that counts as one file, those inside it."""
        return (member for file in self.files for member in file.members)

    def schema_summary(self) -> SchemaSummary:
        """Return columns and numbers of rows. Raises DatasetEmpty, DatasetTooLarge and what the format raises."""
        files = list(self.members())
        summary = cached_summary(self.spec, files, lambda: self.format.schema_summary(self.files, self.spec))
        rows = sum(summary.rows)
        if not rows:
            raise DatasetEmpty(self.spec.uri, field="dataset.uri")
        if rows > MOST_ROWS:
            raise DatasetTooLarge(f"It claims to have {rows:,} rows", field="dataset.uri")
        return summary

    def rows_per_file(self) -> tuple[int, ...]:
        """Return how many rows each file adds; a file of labels beside the inputs adds none."""
        rows = self.schema_summary().rows
        return rows + (0,) * (len(self.files) - len(rows))


def open_dataset(spec: DatasetSpec, *, roots: Sequence[StorageRoot]) -> OpenedDataset:
    """Find the dataset's files and check that each of them lies under the roots.

    Raises DatasetNotAllowed, DatasetNotFound, and DatasetUnreadable unless all are regular files: a pipe may never end.
    """
    source = locate(spec.uri, roots=roots)
    files = format_named(spec.format).files(source, spec)
    dataset = OpenedDataset(spec, tuple(file.confine_to(roots) for file in files))
    for member in dataset.members():
        if not member.is_file:
            raise DatasetUnreadable(f"{member.name} is no regular file", field="dataset.uri")
    return dataset


def inspect(spec: DatasetSpec, *, roots: Sequence[StorageRoot]) -> DatasetSummary:
    """Summarize the dataset from its headers and footers. Raises TedErrors that name the request's field."""
    dataset = open_dataset(spec, roots=roots)
    summary = dataset.schema_summary()
    token = _change_token(dataset, summary)
    return DatasetSummary(sum(summary.rows), summary.columns, token, summary.several_classes)


def _change_token(dataset: OpenedDataset, summary: SchemaSummary) -> str:
    stats = [(member.name, member.size, member.modified) for member in dataset.members()]
    return hashlib.sha256(json.dumps([stats, summary.rows]).encode()).hexdigest()


def load(spec: DatasetSpec, *, roots: Sequence[StorageRoot], limits: Limits | None = None) -> Samples:
    """Load every usable row of the dataset. Raises TedErrors that name field, file and rows.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "flowers.csv")
    ...     _ = path.write_text("petal,colour,label\\n1.5,red,rose\\n2.5,blue,iris\\n2.0,red,rose\\n")
    ...     spec = DatasetSpec(uri=str(path), format="csv", task="tabular-classification", input="petal")
    ...     samples = load(spec, roots=[Path(folder)])
    >>> samples.inputs.ravel(), samples.labels, samples.classes
    (array([1.5, 2.5, 2. ], dtype=float32), array([1, 0, 1]), ('iris', 'rose'))
    """
    dataset = open_dataset(spec, roots=roots)
    dataset.schema_summary()
    samples = dataset.format.load(dataset.files, spec, limits or Limits())
    return samples if spec.task in TASKS else replace(samples, task=spec.task)
