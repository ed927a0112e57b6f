"""Parquet: counted and checked by its footers, read a batch at a time."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq

from ted_core.datasets.budget import within_budget
from ted_core.datasets.columns.roles import Roles, roles
from ted_core.datasets.columns.types import is_category, is_label_list
from ted_core.datasets.columns.unified_schema import FileSchema, unify
from ted_core.datasets.formats.row_format import RowReader, format_of, picked_rows
from ted_core.datasets.sources.base import Source, map_concurrently
from ted_core.datasets.sources.read_errors import translate_read_errors
from ted_core.datasets.sources.shards import files_with
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable, MissingValues

BATCH_ROWS = 65_536
BATCH_BYTES = 16 << 20
"""What a batch may take before it is decompressed and decoded into Arrow, which may take five times as much; batches of
images have fewer rows."""
MOST_CHUNKS = 65_536
"""Of a file, whose statistics are looked at before the job is accepted."""
USUAL_FOOTER, LONGEST_FOOTER = 16 << 10, 16 << 20
"""Bytes: what is read of the end of a file at first, and the most that a footer may have."""
MAGIC, TAIL_BYTES = (b"PAR1", b"PARE"), 8
"""What follows a footer's length at the end of a file, and how long both are together."""


def schema_summary(sources: Sequence[Source], spec: DatasetSpec) -> tuple[pa.Schema, tuple[int, ...]]:
    """Return columns and rows from the footers; no data page is read. Raises MissingValues for nulls that they show."""
    first = _footer(sources[0])
    others = within_budget(map_concurrently(_footer, sources[1:]))
    footers = [first, *(footer.sharing(first.schema) for footer in others)]
    schema = unify(list(map(_file_schema, sources, footers)), spec)
    columns = roles(schema, spec)
    never_null = _never_null(schema, columns, spec)
    for source, footer in zip(sources, footers, strict=False):
        _refuse_nulls(source, footer, never_null, targets=columns.targets)
    return schema, tuple(footer.rows for footer in footers)


def _file_schema(source: Source, footer: "Footer") -> FileSchema:
    return FileSchema(source.name, footer.schema, is_empty=lambda: not footer.rows)


@dataclass(frozen=True)
class Footer:
    """What TED uses of a Parquet footer."""

    schema: pa.Schema
    rows: int
    nulls: Mapping[str, int]
    """Path in the schema → nulls, if statistics show any."""

    @classmethod
    def of(cls, metadata: pq.FileMetaData) -> "Footer":
        """Return what it says. Raises ArrowException."""
        nulls: Counter[str] = Counter()
        for chunk in islice(_chunks(metadata), MOST_CHUNKS):
            if chunk.is_stats_set and chunk.statistics.null_count:
                nulls[chunk.path_in_schema] += chunk.statistics.null_count
        return cls(metadata.schema.to_arrow_schema(), metadata.num_rows, nulls)

    def sharing(self, schema: pa.Schema) -> "Footer":
        """Return the same with this schema if it is equal to its own: a thousand wide ones would take gigabytes."""
        return replace(self, schema=schema) if self.schema.equals(schema, check_metadata=True) else self


def _chunks(metadata: pq.FileMetaData) -> Iterator[pq.ColumnChunkMetaData]:
    """What the footer says of every column in every row group."""
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        yield from map(group.column, range(group.num_columns))


def _footer(source: Source) -> Footer:
    with (
        translate_read_errors(source, otherwise="is not a Parquet file", field="dataset.format"),
        source.open() as file,
    ):
        content, length = _end(file)
        _refuse_long(source, length)
        metadata = pq.read_metadata(pa.BufferReader(_with_footer(file, content, length)))
        _refuse_other_rows(source, metadata)
        return Footer.of(metadata)


def _refuse_other_rows(source: Source, metadata: pq.FileMetaData) -> None:
    rows = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    if sum(rows) != metadata.num_rows or min(rows, default=0) < 0:
        raise DatasetUnreadable(f"{source.name} is damaged: its row groups have other rows", field="dataset.uri")


def _end(file: pa.NativeFile) -> tuple[bytes, int]:
    """The last bytes of the file, and how many the footer claims to have; 0 if there is no footer."""
    content = _last(file, USUAL_FOOTER + TAIL_BYTES)
    tail = content[-TAIL_BYTES:]
    return content, int.from_bytes(tail[:4], "little") if tail[4:] in MAGIC else 0


def _with_footer(file: pa.NativeFile, content: bytes, length: int) -> bytes:
    """The end of the file, with all of its footer."""
    return content if length + TAIL_BYTES <= len(content) else _last(file, length + TAIL_BYTES)


def _last(file: pa.NativeFile, size: int) -> bytes:
    size = min(size, file.size())
    return bytes(file.read_at(size, file.size() - size))


def _refuse_long(source: Source, length: int) -> None:
    if length > LONGEST_FOOTER:
        fact = f"{source.name} has a footer of {length:,} bytes, more than {LONGEST_FOOTER:,}; write larger row groups"
        raise DatasetUnreadable(fact, field="dataset.uri")


def batches(sources: Sequence[Source], names: Sequence[str], _: DatasetSpec) -> Iterator[pa.RecordBatch]:
    """Yield the named columns, at most 65,536 rows and about 16 MiB at a time."""
    for source in sources:
        with translate_read_errors(source), source.open() as file, _streamed(file, source) as parquet:
            if parquet.metadata.num_rows:  # a file without rows may lack columns
                for batch in parquet.iter_batches(_batch_rows(parquet.metadata, names), columns=list(names)):
                    yield batch.select(list(names))


def _rows_of_file(
    source: Source, names: Sequence[str], _: DatasetSpec, rows: Sequence[int]
) -> Iterator[pa.RecordBatch]:
    """Only the row groups that hold the rows are read, and of each no more than up to the last of them."""
    with translate_read_errors(source), source.open() as file, _streamed(file, source) as parquet:
        start = 0
        for group in range(parquet.num_row_groups):
            end = start + parquet.metadata.row_group(group).num_rows
            if inside := [row - start for row in rows if start <= row < end]:
                step = _batch_rows(parquet.metadata, names)
                batches = parquet.iter_batches(step, row_groups=[group], columns=list(names))
                yield from picked_rows((batch.select(list(names)) for batch in batches), inside)
            start = end


def _streamed(file: pa.NativeFile, source: Source) -> pq.ParquetFile:
    """The file, whose column chunks are read as they are needed; by default pyarrow fetches whole row groups first."""
    return pq.ParquetFile(file, buffer_size=source.read_ahead, pre_buffer=False)


def _batch_rows(footer: pq.FileMetaData, names: Sequence[str]) -> int:
    top_level, read = set(footer.schema.to_arrow_schema().names), set(names)
    read_bytes: int = sum(
        chunk.total_uncompressed_size
        for chunk in _chunks(footer)
        if _column_and_leaf(chunk.path_in_schema, top_level)[0] in read
    )
    fitting = BATCH_BYTES * int(footer.num_rows) // max(read_bytes, 1)
    return min(BATCH_ROWS, max(1, fitting))


# --- nulls that the footer shows --------------------------------------------------------------------------------------


def _never_null(schema: pa.Schema, columns: Roles, spec: DatasetSpec) -> list[str]:
    """The columns in which any null is refused, whatever the rest of its row holds.

    Without inputs to be imputed, strings that may prove to be free text, conversations, and lists of classes, whose
    empty lists count as nulls.
    """
    inputs = [] if spec.missing == "impute" or spec.base_task == "causal-lm" else columns.inputs
    if spec.base_task == "tabular-classification" and spec.input is None:
        inputs = [name for name in inputs if not is_category(schema.field(name).type)]
    return [*inputs, *(name for name in columns.targets if not is_label_list(schema.field(name).type))]


def _refuse_nulls(source: Source, footer: Footer, columns: Sequence[str], *, targets: Sequence[str]) -> None:
    """Raise MissingValues if the footer's statistics already show nulls in one of these columns."""
    top_level, never_null, among_targets = set(footer.schema.names), set(columns), set(targets)
    for path, count in footer.nulls.items():
        name, leaf = _column_and_leaf(path, top_level)
        # Other fields of an image than its bytes, such as Hugging Face's path, may be null.
        if name in never_null and (leaf in ("", "bytes") or leaf.startswith("list.")):
            field = "dataset.target" if name in among_targets else "dataset.input"
            raise MissingValues(f"Column {name!r} of {source.name} has {count} nulls", field=field)


def _column_and_leaf(path: str, top_level: Collection[str]) -> tuple[str, str]:
    """The column that a path in the schema belongs to, whose own name may hold dots, and what follows its name."""
    if path in top_level:
        return path, ""
    name, _, leaf = path.partition(".")
    return name, leaf


PARQUET = format_of(
    RowReader(files_with(".parquet"), schema_summary, batches, rows_of_file=_rows_of_file, in_parts=True)
)
