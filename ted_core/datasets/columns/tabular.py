"""Columns of numbers, lists of numbers and categories → one row of float32 per sample.

A number is one feature. A category is one feature per category, 1 where the row has it: for the 64 most frequent ones,
and together for the others. What becomes of missing values is the request's choice.

Each column is looked through once, to know what becomes of it, and then encoded some rows at a time: beside the table
and the array that is filled, only a column with missing numbers takes memory that grows with the rows, 4 bytes each.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float32

from ted_core.datasets.columns.array_cache import Allocate
from ted_core.datasets.columns.spooled_table import SpooledTable
from ted_core.datasets.columns.types import is_category, is_vector, refuse_nulls, without_dictionaries
from ted_core.datasets.limits import Limits
from ted_core.datasets.row_locations import SHOWN, RowLocations
from ted_core.datasets.samples import Vectors
from ted_core.datasets.spec import Missing
from ted_core.errors import MissingValues, UnusableInputs

FIELD = "dataset.input"
MOST_CATEGORIES = 64
ROWS_PER_CATEGORY = 2
"""On average; a column of strings that occur less often describes rows, it does not sort them."""
ROWS_AT_A_TIME = 65_536
"""Rows of one column that are looked through."""
BLOCK_BYTES = 2 << 20
"""Encoded rows that are filled in at a time; they stay in the processor's cache while columns are set into them."""

Block = Float32[np.ndarray, "rows width"]


class Encoder(NamedTuple):
    """What becomes of a column."""

    width: int
    """Features."""
    encode: Callable[[pa.Array], Block]
    """Of some of the column's rows."""


def vectors(table: pa.Table, *, missing: Missing, places: RowLocations, allocate: Allocate) -> Vectors:
    """The columns side by side, in their order.

    Raises MissingValues, UnusableInputs, DatasetTooLarge.
    """
    encoders = [_encoder(table[name], name=name, missing=missing, places=places) for name in table.column_names]
    what = f"{table.num_rows:,} rows of {table.num_columns:,} columns"
    values = allocate((table.num_rows, sum(encoder.width for encoder in encoders)), np.float32, what)
    _fill(values, table, encoders, places=places)
    return values


def _fill(values: Vectors, table: pa.Table, encoders: Sequence[Encoder], *, places: RowLocations) -> None:
    ends = accumulate((encoder.width for encoder in encoders), initial=0)
    spans = {name: slice(*bounds) for name, bounds in zip(table.column_names, pairwise(ends), strict=True)}
    check, done = FiniteCheck(spans, places), 0
    for batch in table.to_batches(max_chunksize=block_rows(values.shape[1])):
        block = values[done : done + len(batch)]
        for column, encoder, span in zip(batch.columns, encoders, spans.values(), strict=True):
            block[:, span] = encoder.encode(column)
        check.look(block)
        done += len(batch)
    check.conclude()


def block_rows(width: int) -> int:
    """How many rows of so many float32 are filled in at a time."""
    return max(1, BLOCK_BYTES // (4 * max(width, 1)))


def _encoder(column: pa.ChunkedArray, *, name: str, missing: Missing, places: RowLocations) -> Encoder:
    if is_category(column.type):
        return CATEGORIES[missing](column, name=name, places=places)
    if is_vector(column.type):
        return _lists(column, name=name, places=places)
    return NUMBERS[missing](column, name=name, places=places)


def _parts(column: pa.ChunkedArray) -> Iterator[pa.Array]:
    """The column, some rows at a time."""
    for chunk in column.chunks:
        yield from (chunk.slice(start, ROWS_AT_A_TIME) for start in range(0, len(chunk), ROWS_AT_A_TIME))


# --- numbers ----------------------------------------------------------------------------------------------------------


def _complete_numbers(column: pa.ChunkedArray, *, name: str, places: RowLocations) -> Encoder:
    refuse_nulls(column, name=name, field=FIELD, places=places)
    return NUMBER


def _imputed_numbers(column: pa.ChunkedArray, **_: object) -> Encoder:
    """The numbers, missing ones as the median of the others (0 without any), and a column that is 1 where they are."""
    if not any(np.isnan(_float32(part)).any() for part in _parts(column)):
        return NUMBER
    median = _median(column)

    def encode(part: pa.Array) -> Block:
        values = _float32(part)
        absent = np.isnan(values)
        return np.column_stack([np.where(absent, median, values), absent]).astype(np.float32)

    return Encoder(2, encode)


def _median(column: pa.ChunkedArray) -> float:
    """The median of the finite numbers; 0 without any."""
    found, count = np.empty(len(column), np.float32), 0
    for part in _parts(column):
        values = _float32(part)
        values = values[np.isfinite(values)]
        found[count : count + len(values)] = values
        count += len(values)
    return float(np.median(found[:count], overwrite_input=True)) if count else 0.0


def _lists(column: pa.ChunkedArray, *, name: str, places: RowLocations) -> Encoder:
    """Lists of one length, one per row; a list with holes has no policy but refusal."""
    refuse_nulls(column, name=name, field=FIELD, places=places)
    widths = list(dict.fromkeys(width for part in _parts(column) for width in _widths(part)))
    if len(widths) != 1 or not widths[0]:
        fact = f"Column {name!r} holds lists of different lengths ({widths[:SHOWN]})"
        raise UnusableInputs(fact, field=FIELD)
    refuse_nulls(pc.list_flatten(column), name=name, field=FIELD, places=places, per_row=widths[0])
    return Encoder(widths[0], lambda part: _float32(part.flatten()).reshape(len(part), -1))


def _widths(lists: pa.Array) -> list[int]:
    found: list[int] = pc.unique(pc.list_value_length(lists)).to_pylist()
    return found


def _float32(numbers: pa.Array) -> Float32[np.ndarray, " numbers"]:
    """The numbers, NaN where null."""
    found: np.ndarray = numbers.cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False)
    return found


NUMBER = Encoder(1, lambda part: _float32(part)[:, None])
NUMBERS: Mapping[Missing, Callable[..., Encoder]] = {"refuse": _complete_numbers, "impute": _imputed_numbers}


class FiniteCheck:
    """Looks at encoded rows, block after block, for NaN, infinities and numbers beyond float32."""

    def __init__(self, spans: Mapping[str, slice], places: RowLocations) -> None:
        """``spans``: the features of each column."""
        self.spans, self.locations = spans, places
        self._seen = 0
        self._rows: dict[str, list[np.ndarray]] = {}

    def look(self, block: Block) -> None:
        """Note what is not finite in the next rows."""
        finite = np.isfinite(block)
        if not finite.all():
            for name, span in self.spans.items():
                self._rows.setdefault(name, []).append(self._seen + np.flatnonzero(~finite[:, span].all(axis=1)))
        self._seen += len(block)

    def conclude(self) -> None:
        """Raise MissingValues for the first of the columns in which something was noted."""
        for name, rows in ((name, np.concatenate(parts)) for name, parts in self._rows.items()):
            if len(rows):
                raise MissingValues(f"Column {name!r} is NaN or infinite in {self.locations.first(rows)}", field=FIELD)


# --- categories -------------------------------------------------------------------------------------------------------


def _complete_categories(column: pa.ChunkedArray, *, name: str, places: RowLocations) -> Encoder:
    refuse_nulls(column, name=name, field=FIELD, places=places)
    return _one_hot(_ranked(column))


def _imputed_categories(column: pa.ChunkedArray, **_: object) -> Encoder:
    """The categories, missing ones as the last."""
    present = _one_hot(_ranked(column))
    if not any(without_dictionaries(part).null_count for part in _parts(column)):
        return present

    def encode(part: pa.Array) -> Block:
        absent = without_dictionaries(part).is_null().to_numpy(zero_copy_only=False)
        return np.column_stack([present.encode(part), absent]).astype(np.float32)

    return Encoder(present.width + 1, encode)


def _one_hot(ranked: pa.Array) -> Encoder:
    """1 in the column of each row's category: the most frequent first, the rest together last; 0 for a null."""
    frequent = ranked[:MOST_CATEGORIES]
    width = min(len(ranked), MOST_CATEGORIES + 1)

    def encode(part: pa.Array) -> Block:
        values = without_dictionaries(part)
        codes = pc.index_in(values, value_set=frequent).fill_null(len(frequent)).to_numpy(zero_copy_only=False)
        flags = np.zeros((len(values), len(frequent) + 1), np.float32)
        flags[np.arange(len(values)), codes] = values.is_valid().to_numpy(zero_copy_only=False)
        return flags[:, :width]

    return Encoder(width, encode)


def _ranked(column: pa.ChunkedArray) -> pa.Array:
    """The different values, the most frequent first, equally frequent ones by value."""
    counts = [without_dictionaries(part).drop_null().value_counts() for part in _parts(column)]
    found = {name: pa.chunked_array([part.field(name) for part in counts]) for name in ("values", "counts")}
    totals = pa.table(found).group_by("values").aggregate([("counts", "sum")])
    order = [("counts_sum", "descending"), ("values", "ascending")]
    return totals.sort_by(order)["values"].combine_chunks()


CATEGORIES: Mapping[Missing, Callable[..., Encoder]] = {"refuse": _complete_categories, "impute": _imputed_categories}


# --- which categories are worth having -------------------------------------------------------------------------------


def gather_table(batches: Iterable[pa.RecordBatch], *, doubtful: Collection[str], limits: Limits) -> pa.Table:
    """The batches as a table, without those doubtful columns that hold free text rather than categories.

    A category occurs twice on average, and there are at most 64 of them; a column that shows more is dropped at once.
    """
    spool, seen = SpooledTable(limits), dict[str, pa.Array | None].fromkeys(doubtful)
    for batch in batches:
        found = {name: _union(values, batch[name]) for name, values in seen.items()}
        seen = {name: values for name, values in found.items() if len(values) <= MOST_CATEGORIES}
        spool.add(batch.select([name for name in batch.schema.names if name in seen or name not in doubtful]))
    table = spool.table()
    most = min(MOST_CATEGORIES, table.num_rows // ROWS_PER_CATEGORY)
    few = {name for name, values in seen.items() if values is not None and len(values) <= most}
    return table.select([name for name in table.column_names if name in few or name not in doubtful])


def _union(seen: pa.Array | None, column: pa.Array) -> pa.Array:
    """The different values in both."""
    values = pc.unique(without_dictionaries(column.drop_null()))
    return values if seen is None else pc.unique(pa.concat_arrays([seen, values]))
