"""Parquet: counted and checked by its footers, read a batch at a time."""

from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from ted_core.datasets.columns.roles import Roles, roles
from ted_core.datasets.columns.schemas import refuse_other_schema
from ted_core.datasets.columns.types import is_category, is_label_list
from ted_core.datasets.formats.parquet_footer import LONGEST_TRUSTED, Footer, FooterReader, chunks
from ted_core.datasets.formats.row_format import RowReader, format_of
from ted_core.datasets.sources.base import Source, map_concurrently
from ted_core.datasets.sources.read_errors import translate_read_errors
from ted_core.datasets.sources.shards import files_with
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable, MissingValues

BATCH_ROWS = 65_536
BATCH_BYTES = 16 << 20
"""What a batch may take before it is decompressed and decoded into Arrow, which may take five times as much; one of
images has fewer rows for it."""
LONGEST_FOOTER = 16 << 20
MAGIC, TAIL_BYTES = (b"PAR1", b"PARE"), 8
"""What follows a footer's length at the end of a file, and how long both are together."""


def schema_summary(sources: Sequence[Source], spec: DatasetSpec) -> tuple[pa.Schema, tuple[int, ...]]:
    """Columns and rows from the footers; no data page is read. Raises MissingValues for nulls that they show."""
    with FooterReader() as reader:
        first = _footer(sources[0], reader)
        chosen = roles(first.schema, spec)
        used = _never_null(first.schema, chosen, spec)

        def rows(source: Source, footer: Footer | None = None) -> int:
            footer = footer or _footer(source, reader)
            refuse_other_schema(source, first.schema, footer.schema)
            _refuse_known_nulls(source, footer, used, targets=chosen.targets)
            return footer.rows

        return first.schema, (rows(sources[0], first), *map_concurrently(rows, sources[1:]))


def _footer(source: Source, reader: FooterReader) -> Footer:
    with (
        translate_read_errors(source, otherwise="is not a Parquet file", field="dataset.format"),
        source.open() as file,
    ):
        content, length = _end(file)
        _refuse_long(source, length)
        footer = reader.read(_whole(file, content, length), length=length)
    if footer.rows_in_groups != footer.rows:
        raise DatasetUnreadable(f"{source.name} is damaged: its row groups have other rows", field="dataset.uri")
    return footer


def _end(file: pa.NativeFile) -> tuple[bytes, int]:
    """The last bytes of the file, and how many the footer claims to have; none where there is no footer."""
    content = _last(file, LONGEST_TRUSTED + TAIL_BYTES)
    tail = content[-TAIL_BYTES:]
    return content, int.from_bytes(tail[:4], "little") if tail[4:] in MAGIC else 0


def _whole(file: pa.NativeFile, content: bytes, length: int) -> bytes:
    """What ends the file with all of its footer."""
    return content if length + TAIL_BYTES <= len(content) else _last(file, length + TAIL_BYTES)


def _last(file: pa.NativeFile, size: int) -> bytes:
    size = min(size, file.size())
    return bytes(file.read_at(size, file.size() - size))


def _refuse_long(source: Source, length: int) -> None:
    if length > LONGEST_FOOTER:
        fact = f"{source.name} has a footer of {length:,} bytes, more than {LONGEST_FOOTER:,}; write larger row groups"
        raise DatasetUnreadable(fact, field="dataset.uri")


def batches(sources: Sequence[Source], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The named columns, at most 65,536 rows and about 16 MiB at a time."""
    for source in sources:
        with translate_read_errors(source), source.open() as opened, _streamed(opened, source) as file:
            for batch in file.iter_batches(_batch_rows(file.metadata, names), columns=list(names)):
                yield batch.select(list(names))


def _streamed(opened: pa.NativeFile, source: Source) -> pq.ParquetFile:
    """Its column chunks are read as they are needed; by default pyarrow fetches whole row groups first."""
    return pq.ParquetFile(opened, buffer_size=source.read_ahead, pre_buffer=False)


def _batch_rows(footer: pq.FileMetaData, names: Sequence[str]) -> int:
    top_level = set(footer.schema.to_arrow_schema().names)
    read: int = sum(
        chunk.total_uncompressed_size
        for chunk in chunks(footer)
        if _column_and_leaf(chunk.path_in_schema, top_level)[0] in names
    )
    fitting = BATCH_BYTES * int(footer.num_rows) // max(read, 1)
    return min(BATCH_ROWS, max(1, fitting))


# --- nulls that the footer tells of -----------------------------------------------------------------------------------


def _never_null(schema: pa.Schema, chosen: Roles, spec: DatasetSpec) -> list[str]:
    """The columns in which any null is refused whatever stands beside it.

    Left out are inputs to be imputed, what may yet prove to be free text, conversations, and lists of classes, whose
    empty lists count as nulls.
    """
    inputs = [] if spec.missing == "impute" or spec.base_task == "causal-lm" else chosen.inputs
    if spec.base_task == "tabular-classification" and spec.input is None:
        inputs = [name for name in inputs if not is_category(schema.field(name).type)]
    return [*inputs, *(name for name in chosen.targets if not is_label_list(schema.field(name).type))]


def _refuse_known_nulls(source: Source, footer: Footer, used: Sequence[str], *, targets: Sequence[str]) -> None:
    """Raise MissingValues where the footer's statistics already show nulls in a column that is used."""
    top_level = set(footer.schema.names)
    for path, count in footer.nulls.items():
        name, leaf = _column_and_leaf(path, top_level)
        # What stands beside an image's bytes, such as Hugging Face's path, may be null.
        if name in used and (leaf in ("", "bytes") or leaf.startswith("list.")):
            field = "dataset.target" if name in targets else "dataset.input"
            raise MissingValues(f"Column {name!r} of {source.name} has {count} nulls", field=field)


def _column_and_leaf(path: str, top_level: Collection[str]) -> tuple[str, str]:
    """The column that a path in the schema belongs to, whose own name may hold dots, and what follows its name."""
    if path in top_level:
        return path, ""
    name, _, leaf = path.partition(".")
    return name, leaf


PARQUET = format_of(RowReader(files_with(".parquet"), schema_summary, batches))
