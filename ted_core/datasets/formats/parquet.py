"""Parquet: counted and checked by its footers, read a batch at a time."""

from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from ted_core.datasets.columns.roles import Roles, roles
from ted_core.datasets.columns.schemas import refuse_other_schema
from ted_core.datasets.columns.types import is_category, is_label_list
from ted_core.datasets.formats.row_format import RowReader, format_of
from ted_core.datasets.sources.base import Source, map_concurrently
from ted_core.datasets.sources.read_errors import translate_read_errors
from ted_core.datasets.sources.shards import files_with
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable, MissingValues
from ted_core.storage.parquet_footer import LONGEST_TRUSTED, Footer, FooterReader, chunks

BATCH_ROWS = 65_536
BATCH_BYTES = 16 << 20
"""What a batch may take before it is decompressed and decoded into Arrow, which may take five times as much; batches of
images have fewer rows."""
LONGEST_FOOTER = 16 << 20
MAGIC, TAIL_BYTES = (b"PAR1", b"PARE"), 8
"""What follows a footer's length at the end of a file, and how long both are together."""


def schema_summary(sources: Sequence[Source], spec: DatasetSpec) -> tuple[pa.Schema, tuple[int, ...]]:
    """Return columns and rows from the footers; no data page is read. Raises MissingValues for nulls that they show."""
    with FooterReader() as reader:
        first = _footer(sources[0], reader)
        columns = roles(first.schema, spec)
        never_null = _never_null(first.schema, columns, spec)

        def rows(source: Source, footer: Footer | None = None) -> int:
            footer = footer or _footer(source, reader)
            refuse_other_schema(source, first.schema, footer.schema)
            _refuse_nulls(source, footer, never_null, targets=columns.targets)
            return footer.rows

        return first.schema, (rows(sources[0], first), *map_concurrently(rows, sources[1:]))


def _footer(source: Source, reader: FooterReader) -> Footer:
    with (
        translate_read_errors(source, otherwise="is not a Parquet file", field="dataset.format"),
        source.open() as file,
    ):
        content, length = _end(file)
        _refuse_long(source, length)
        footer = reader.read(_with_footer(file, content, length), length=length)
    if footer.rows_in_groups != footer.rows:
        raise DatasetUnreadable(f"{source.name} is damaged: its row groups have other rows", field="dataset.uri")
    return footer


def _end(file: pa.NativeFile) -> tuple[bytes, int]:
    """The last bytes of the file, and how many the footer claims to have; 0 if there is no footer."""
    content = _last(file, LONGEST_TRUSTED + TAIL_BYTES)
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


def batches(sources: Sequence[Source], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the named columns, at most 65,536 rows and about 16 MiB at a time."""
    for source in sources:
        with translate_read_errors(source), source.open() as file, _streamed(file, source) as parquet:
            for batch in parquet.iter_batches(_batch_rows(parquet.metadata, names), columns=list(names)):
                yield batch.select(list(names))


def _streamed(file: pa.NativeFile, source: Source) -> pq.ParquetFile:
    """The file, whose column chunks are read as they are needed; by default pyarrow fetches whole row groups first."""
    return pq.ParquetFile(file, buffer_size=source.read_ahead, pre_buffer=False)


def _batch_rows(footer: pq.FileMetaData, names: Sequence[str]) -> int:
    top_level = set(footer.schema.to_arrow_schema().names)
    read_bytes: int = sum(
        chunk.total_uncompressed_size
        for chunk in chunks(footer)
        if _column_and_leaf(chunk.path_in_schema, top_level)[0] in names
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
    top_level = set(footer.schema.names)
    for path, count in footer.nulls.items():
        name, leaf = _column_and_leaf(path, top_level)
        # Other fields of an image than its bytes, such as Hugging Face's path, may be null.
        if name in columns and (leaf in ("", "bytes") or leaf.startswith("list.")):
            field = "dataset.target" if name in targets else "dataset.input"
            raise MissingValues(f"Column {name!r} of {source.name} has {count} nulls", field=field)


def _column_and_leaf(path: str, top_level: Collection[str]) -> tuple[str, str]:
    """The column that a path in the schema belongs to, whose own name may hold dots, and what follows its name."""
    if path in top_level:
        return path, ""
    name, _, leaf = path.partition(".")
    return name, leaf


PARQUET = format_of(RowReader(files_with(".parquet"), schema_summary, batches))
