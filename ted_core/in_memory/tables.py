"""Data frames, Arrow tables and Hugging Face datasets: rows with named columns."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from ted_core.datasets import DatasetSpec, Limits
from ted_core.datasets.columns.assemble import RowSource, assemble_samples
from ted_core.datasets.columns.plain_types import plain, plain_schema
from ted_core.datasets.columns.roles import roles
from ted_core.datasets.columns.types import is_number, is_vector, unusable_types_refused
from ted_core.datasets.formats.row_format import picked_rows
from ted_core.datasets.row_locations import RowLocations
from ted_core.datasets.spec import IN_MEMORY
from ted_core.errors import DatasetEmpty, UnusableInputs
from ted_core.in_memory.arrays import class_array
from ted_core.in_memory.data import URI, ArgumentUnclear, ArgumentUnusable, InMemoryData

ROWS_AT_A_TIME = 65_536
TARGET = "y"
"""The column that classes are added as which come apart from the table."""


def is_table(x: Any) -> bool:
    """Return whether there is a way to read it as rows with named columns."""
    return _kind(x) in READERS


def table_data(x: Any, y: Any, *, task: str | None, columns: Sequence[str] | None, missing: str) -> InMemoryData:
    """Return the samples. Raise ArgumentUnclear, ArgumentUnusable, and what reading a file of rows raises."""
    table, target = _with_target(_read(x), x, y)
    if not len(table):
        raise DatasetEmpty("x has no rows", field="x")
    spec = DatasetSpec(
        uri=URI,
        task=task or _numbers_only(table.schema, target, columns),
        input=list(columns) if columns and len(columns) > 1 else columns[0] if columns else None,
        target=target,
        missing=missing,
    )
    read = partial(_batches, table)
    schema = plain_schema(table.schema)
    chosen = roles(schema, spec)
    locations = RowLocations((IN_MEMORY,), (len(table),))
    with unusable_types_refused(UnusableInputs, chosen.names, "dataset.input"):
        samples = assemble_samples(RowSource(read, schema, chosen, spec, locations, Limits()))
    return InMemoryData(samples, spec, table.nbytes, _digest(table), lambda names, rows: picked_rows(read(names), rows))


def _batches(table: pa.Table, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    part = table.select(list(names))
    schema = plain_schema(part.schema)
    for batch in part.to_batches(max_chunksize=ROWS_AT_A_TIME):
        yield pa.record_batch([plain(column) for column in batch.columns], schema=schema)


def _numbers_only(schema: pa.Schema, target: str | None, columns: Sequence[str] | None) -> str:
    """Return the task of a table of numbers. Raise ArgumentUnclear for one that holds anything else."""
    inputs = (
        [one for one in schema if one.name in columns] if columns else [one for one in schema if one.name != target]
    )
    others = [one.name for one in inputs if not (is_number(one.type) or is_vector(one.type))]
    if others or not inputs:
        listed = ", ".join(map(repr, others[:5]))
        fact = f"Columns {listed} hold more than numbers; say task='tabular-classification' if these are categories"
        raise ArgumentUnclear(f"{fact}, or 'text-classification', 'image-classification', 'causal-lm'", field="task")
    return "tabular-classification"


def _with_target(table: pa.Table, x: Any, y: Any) -> tuple[pa.Table, str | None]:
    """The table with its classes, and the name of their column; None for the usual one."""
    if y is None or isinstance(y, str):
        return table, y
    _refuse_other_index(x, y)
    classes = class_array(y)
    if classes.ndim != 1 or len(classes) != len(table):
        raise ArgumentUnusable(f"x has {len(table)} rows, and y the shape {classes.shape}", field="y")
    if TARGET in table.column_names:
        raise ArgumentUnclear(f"x has a column {TARGET!r} of its own; pass its name as y, or rename it", field="y")
    return table.append_column(TARGET, pa.array(classes.astype(classes.dtype.newbyteorder("=")))), TARGET


def _refuse_other_index(x: Any, y: Any) -> None:
    """Raise ArgumentUnclear for two of pandas whose rows would be matched in order, though their labels differ."""
    if _kind(x) == "pandas.DataFrame" and hasattr(y, "iloc") and not x.index.equals(y.index):
        fact = "x and y have different indexes: align them, or pass y.to_numpy() if their rows match in order"
        raise ArgumentUnclear(fact, field="y")


def _digest(table: pa.Table) -> str:
    """The SHA-256 of the table as an Arrow stream of batches of one size."""
    digest = hashlib.sha256()

    class Sink:
        """Takes what is written for the digest."""

        closed = False

        def write(self, data: Any) -> int:
            digest.update(data)
            return len(data)

        def flush(self) -> None: ...

        def close(self) -> None: ...

    plain_table = table.combine_chunks()
    with pa.ipc.new_stream(pa.PythonFile(Sink(), "w"), plain_table.schema) as writer:
        writer.write_table(plain_table, max_chunksize=ROWS_AT_A_TIME)
    return digest.hexdigest()


# --- what is read -----------------------------------------------------------------------------------------------------


def _kind(x: Any) -> str:
    """The package and name of its type; of its nearest base that is known."""
    names = [f"{base.__module__.partition('.')[0]}.{base.__name__}" for base in type(x).__mro__]
    return next((name for name in names if name in READERS or name in REFUSED), names[0])


def _read(x: Any) -> pa.Table:
    try:
        return READERS[_kind(x)](x)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise ArgumentUnusable(f"A column of x holds values of several types ({error})", field="x") from error


def _from_pandas(frame: Any) -> pa.Table:
    if len({*map(str, frame.columns)}) < len(frame.columns):
        raise ArgumentUnusable("x has several columns of one name", field="x")
    return pa.Table.from_pandas(frame.rename(columns=str), preserve_index=False)


def _from_hugging_face(dataset: Any) -> pa.Table:
    table = dataset.with_format("arrow")[:]
    return table.replace_schema_metadata(dataset.features.arrow_schema.metadata)


READERS: Mapping[str, Callable[[Any], pa.Table]] = {
    "pandas.DataFrame": _from_pandas,
    "polars.DataFrame": lambda frame: frame.to_arrow(),
    "pyarrow.Table": lambda table: table,
    "pyarrow.RecordBatch": lambda batch: pa.Table.from_batches([batch]),
    "datasets.Dataset": _from_hugging_face,
}
REFUSED: Mapping[str, str] = {
    "datasets.DatasetDict": "x is a DatasetDict of several splits; pass one of them, as x['train']",
    "datasets.IterableDatasetDict": "x is a DatasetDict of several splits; pass one of them, as x['train']",
    "datasets.IterableDataset": "x is a stream, which can be read once only; load it without streaming=True",
    "polars.LazyFrame": "x is a LazyFrame; pass x.collect()",
    "torch.Dataset": "x is a torch Dataset; pass its inputs and classes as arrays or tensors",
}


def refuse_unread(x: Any) -> None:
    """Raise ArgumentUnusable for what is known and has to be something else first."""
    if fact := REFUSED.get(_kind(x)):
        raise ArgumentUnusable(fact, field="x")
