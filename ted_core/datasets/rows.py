"""Formats of rows: files whose rows have named columns, whatever the bytes between them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ted_core.datasets.assembling import Rows, samples
from ted_core.datasets.formats import Format, Limits, Member, Outline, alone
from ted_core.datasets.places import Places
from ted_core.datasets.roles import roles
from ted_core.datasets.samples import Samples
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetChanged, DatasetUnreadable


@dataclass(frozen=True)
class RowReader:
    """One way of storing rows that have named columns."""

    files: Callable[[Path, DatasetSpec], Sequence[Path]]
    """The dataset's files in row order, from the path that the request names."""
    outline: Callable[[Sequence[Path], DatasetSpec], tuple[pa.Schema, tuple[int, ...]]]
    """The schema that all files share and the rows of each, as cheaply as the format allows."""
    batches: Callable[[Sequence[Path], Sequence[str]], Iterator[pa.RecordBatch]]
    """The named columns in that order, row by row, never the whole file where the format can stream."""
    members: Callable[[Path], Iterable[Member]] = alone
    """As in ``Format``."""


def format_of(reader: RowReader) -> Format:
    """The format as every other is used: columns are checked against the task, rows become samples."""

    def outline(paths: Sequence[Path], spec: DatasetSpec) -> Outline:
        schema, rows = _outline(reader, paths, spec)
        if sum(rows):  # without rows, text formats have no types either
            roles(schema, spec)
        return Outline(tuple(schema.names), rows)

    def load(paths: Sequence[Path], spec: DatasetSpec, limits: Limits) -> Samples:
        schema, rows = _outline(reader, paths, spec)
        places = Places(tuple(path.name for path in paths), rows)
        chosen = roles(schema, spec)
        batches = _checked(reader.batches(paths, chosen.names), places)
        return samples(Rows(batches, schema, chosen, spec, places, limits))

    return Format(reader.files, outline, load, reader.members)


def _outline(reader: RowReader, paths: Sequence[Path], spec: DatasetSpec) -> tuple[pa.Schema, tuple[int, ...]]:
    try:
        schema, rows = reader.outline(paths, spec)
        schema.names  # noqa: B018 - decodes them
    except UnicodeDecodeError as error:
        raise DatasetUnreadable(f"A column's name is not UTF-8 ({error})", field="dataset.uri") from error
    return schema, rows


def _checked(batches: Iterator[pa.RecordBatch], places: Places) -> Iterator[pa.RecordBatch]:
    """The batches, once Arrow has proved that no offset leads astray and that text is UTF-8."""
    done = 0
    for batch in batches:
        try:
            batch.validate(full=True)
        except pa.ArrowException as error:
            span = f"From row {places.name(done)} on, {batch.num_rows} rows are damaged"
            raise DatasetUnreadable(f"{span} ({error})", field="dataset.uri") from error
        done += batch.num_rows
        if done > places.total:
            break
        yield batch
    if done != places.total:
        raise DatasetChanged(f"{places.total} rows were counted, others were read", field="dataset.uri")
