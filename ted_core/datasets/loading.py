"""A dataset reference → its summary or its samples. The one place that knows which formats there are."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import pyarrow as pa

from ted_core.datasets.budget import current_budget, limited
from ted_core.datasets.findings import Findings, collect_findings, findings
from ted_core.datasets.formats.arrow import ARROW
from ted_core.datasets.formats.base import Format, SchemaSummary
from ted_core.datasets.formats.csv import CSV, TSV
from ted_core.datasets.formats.huggingface import HF
from ted_core.datasets.formats.idx import IDX
from ted_core.datasets.formats.image_folder import IMAGE_FOLDER
from ted_core.datasets.formats.json_array import JSON
from ted_core.datasets.formats.jsonl import JSONL
from ted_core.datasets.formats.npz import NPZ
from ted_core.datasets.formats.parquet import PARQUET
from ted_core.datasets.formats.webdataset import WEBDATASET
from ted_core.datasets.inference import infer_format, refuse_other_format
from ted_core.datasets.limits import Limits
from ted_core.datasets.samples import InputColumns, Samples
from ted_core.datasets.sources.base import Source
from ted_core.datasets.sources.uri import locate
from ted_core.datasets.spec import DELIMITED, TASKS, DatasetSpec
from ted_core.datasets.summary import FILES_ONLY, UNLISTED, DatasetSummary
from ted_core.datasets.summary_cache import cached_summary
from ted_core.datasets.understood import understood
from ted_core.errors import DatasetEmpty, DatasetTooLarge, DatasetUnreadable, SettingUnsuited
from ted_core.plugins import plugin
from ted_core.storage.file_store import StorageRoot

FORMATS: Mapping[str, Format] = {
    "parquet": PARQUET,
    "jsonl": JSONL,
    "json": JSON,
    "csv": CSV,
    "tsv": TSV,
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
class OpenedDataset:
    """A dataset whose files are known and allowed: regular files under the roots."""

    spec: DatasetSpec
    """With its format written out."""
    files: tuple[Source, ...]

    @property
    def format_name(self) -> str:
        assert self.spec.format, "opening a dataset shows its format"  # noqa: S101
        return self.spec.format

    @property
    def format(self) -> Format:
        return format_named(self.format_name)

    def members(self) -> Sequence[Source]:
        """Return every file of the dataset, in row order; for a folder that counts as one file, those inside it."""
        if len(self.files) == 1:
            return self.files[0].members
        return tuple(member for file in self.files for member in file.members)

    def schema_summary(self) -> SchemaSummary:
        """Return columns and numbers of rows. Raises DatasetEmpty, DatasetTooLarge and what the format raises."""
        if not current_budget().listed:
            return self._summarize()
        summary = cached_summary(self.spec, self.members(), self._summarize)
        findings().add(summary.findings)
        if summary.rows is not None:
            self._check_rows(sum(summary.rows))
        return summary

    def _summarize(self) -> SchemaSummary:
        with collect_findings() as noticed:
            summary = self.format.schema_summary(self.files, self.spec)
        rows = summary.rows if current_budget().counted else None
        return replace(summary, rows=rows, findings=noticed)

    def previewed_summary(self) -> SchemaSummary:
        """Return the same with what a look at some rows shows, if this inspection has a budget for it.

        Raises what loading all rows would.
        """
        summary = self.schema_summary()
        budget = current_budget().for_preview()
        if budget is None:
            return summary
        with limited(budget):
            previewed = cached_summary(self.spec, self.members(), lambda: self._preview(summary), kind="first rows")
        findings().add(previewed.findings)
        return replace(summary, classes=previewed.classes, first_row=previewed.first_row)

    def _preview(self, summary: SchemaSummary) -> SchemaSummary:
        with collect_findings() as noticed:
            previewed = self.format.preview(self.files, self.spec, summary)
        return SchemaSummary((), None, classes=previewed.classes, first_row=previewed.first_row, findings=noticed)

    def _check_rows(self, rows: int) -> None:
        if not rows:
            raise DatasetEmpty(self.spec.uri, field="dataset.uri")
        if rows > MOST_ROWS:
            raise DatasetTooLarge(f"It claims to have {rows:,} rows", field="dataset.uri")

    def rows_per_file(self) -> tuple[int, ...]:
        """Return how many rows each file adds; a file of labels beside the inputs adds none."""
        rows = self.schema_summary().rows
        assert rows is not None, "only inspections have a budget"  # noqa: S101
        return rows + (0,) * (len(self.files) - len(rows))


def open_dataset(spec: DatasetSpec, *, roots: Sequence[StorageRoot]) -> OpenedDataset:
    """Find the dataset's files and check that each of them lies under the roots.

    Raises DatasetNotAllowed, DatasetNotFound, and DatasetUnreadable unless all are regular files: a pipe may never end.
    """
    source = locate(spec.uri, roots=roots)
    file_format = spec.format or infer_format(source, spec)
    dataset = listed_dataset(source, spec.model_copy(update={"format": file_format}), roots=roots)
    if spec.format:
        refuse_other_format(dataset.files[0], spec.format)
    return dataset


def listed_dataset(source: Source, spec: DatasetSpec, *, roots: Sequence[StorageRoot]) -> OpenedDataset:
    """Find the files of the format that ``spec`` names, and open none of them. Raises what ``open_dataset`` raises."""
    assert spec.format, "listing needs a format"  # noqa: S101
    _refuse_unsuited(spec)
    files = format_named(spec.format).files(source, spec)
    dataset = OpenedDataset(spec, tuple(file.confine_to(roots) for file in files))
    for member in dataset.members():
        if not member.is_file:
            raise DatasetUnreadable(f"{member.name} is no regular file", field="dataset.uri")
    return dataset


def _refuse_unsuited(spec: DatasetSpec) -> None:
    """Raise SettingUnsuited for settings of delimited text; a format that a package adds may know them too."""
    if spec.format in FORMATS and spec.format not in DELIMITED:
        for name in ("header", "quoting"):
            if getattr(spec, name) is not None:
                raise SettingUnsuited(f"{spec.format} has no such notation", field=f"dataset.{name}")


def inspect(spec: DatasetSpec, *, roots: Sequence[StorageRoot]) -> DatasetSummary:
    """Summarize the dataset from its headers and footers, as far as this thread's budget goes.

    Raises TedErrors that name the request's field.
    """
    with collect_findings() as noticed:
        dataset = open_dataset(spec, roots=roots)
        summary = replace(dataset.previewed_summary(), findings=noticed)
    files_token = FILES_ONLY + _digest(_listing(dataset)) if current_budget().listed else UNLISTED
    rows, token = None, files_token
    if summary.rows is not None:
        rows, token = sum(summary.rows), _digest(chain("[", _listing(dataset), f", {json.dumps(summary.rows)}]"))
    names = [file.name for file in dataset.files]
    return DatasetSummary(
        rows,
        summary.columns,
        token,
        summary.several_classes,
        files_token,
        input_shape=summary.input_shape,
        understood=understood(summary, file_format=dataset.format_name, files=names),
        warnings=tuple(noticed.warnings),
    )


def _listing(dataset: OpenedDataset) -> Iterator[str]:
    """Return the JSON list of every file's name, size and time in pieces: of a folder it may be longer than memory."""
    yield "["
    for number, file in enumerate(dataset.members()):
        yield ", " * (number > 0)
        yield json.dumps([file.name, file.size, file.modified])
    yield "]"


def _digest(pieces: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece.encode())
    return digest.hexdigest()


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
    with collect_findings() as noticed:
        dataset = open_dataset(spec, roots=roots)
        dataset.schema_summary()
        samples = dataset.format.load(dataset.files, dataset.spec, limits or Limits())
    return described(samples, spec, noticed)


def described(samples: Samples, spec: DatasetSpec, noticed: Findings) -> Samples:
    """The same samples with their task, and with what was noticed of them."""
    task = samples.task if spec.task in TASKS else spec.task
    names = tuple(name for name in samples.columns.names if name not in noticed.left_out)
    columns = InputColumns(names, noticed.left_out)
    return replace(samples, task=task, warnings=tuple(noticed.warnings), columns=columns)


def read_rows(
    spec: DatasetSpec, rows: Sequence[int], *, columns: Sequence[str], roots: Sequence[StorageRoot]
) -> Iterator[pa.RecordBatch]:
    """Yield each of these rows, which ascend, as a batch of its own: the columns as the files have them.

    What need not be read to get there is not. Yields nothing if the format, an installed package's, cannot do that.
    """
    dataset = open_dataset(spec, roots=roots)
    if dataset.format.read_rows:
        yield from dataset.format.read_rows(dataset.files, dataset.spec, columns, rows)
