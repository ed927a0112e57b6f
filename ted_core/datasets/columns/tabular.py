"""Columns of numbers, lists of numbers and categories → one row of float32 per sample.

A number is one feature. A column of categories is one feature per category, 1 if the row has it: one for each of the 64
most frequent ones, and one for all others together. What becomes of missing values is the request's choice.

Each column is read through once, to choose its encoder, and then encoded some rows at a time: besides the table and the
array that is filled, only a column with missing numbers takes memory that grows with the rows, 4 bytes each.
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
"""On average; strings that occur less often describe rows rather than sort them into categories."""
ROWS_AT_A_TIME = 65_536
"""Rows of one column that are looked at together."""
BLOCK_BYTES = 2 << 20
"""Encoded rows that are filled in at a time; they stay in the processor's cache while columns are written into them."""

Block = Float32[np.ndarray, "rows width"]


class Encoder(NamedTuple):
    """How a column becomes features."""

    width: int
    """The number of features."""
    encode: Callable[[pa.Array], Block]
    """Some of the column's rows → their features."""


def vectors(table: pa.Table, *, missing: Missing, locations: RowLocations, allocate: Allocate) -> Vectors:
    """Encode the columns side by side, in their order. Raises MissingValues, UnusableInputs, DatasetTooLarge."""
    encoders = [_encoder(table[name], name=name, missing=missing, locations=locations) for name in table.column_names]
    description = f"{table.num_rows:,} rows of {table.num_columns:,} columns"
    values = allocate((table.num_rows, sum(encoder.width for encoder in encoders)), np.float32, description)
    _fill(values, table, encoders, locations=locations)
    return values


def _fill(values: Vectors, table: pa.Table, encoders: Sequence[Encoder], *, locations: RowLocations) -> None:
    ends = accumulate((encoder.width for encoder in encoders), initial=0)
    spans = {name: slice(*bounds) for name, bounds in zip(table.column_names, pairwise(ends), strict=True)}
    check = FiniteCheck(spans, locations)
    start = 0
    for batch in table.to_batches(max_chunksize=block_rows(values.shape[1])):
        block = values[start : start + len(batch)]
        for column, encoder, span in zip(batch.columns, encoders, spans.values(), strict=True):
            block[:, span] = encoder.encode(column)
        check.add(block)
        start += len(batch)
    check.finish()


def block_rows(width: int) -> int:
    """Return how many rows of this many float32 are filled in at a time."""
    return max(1, BLOCK_BYTES // (4 * max(width, 1)))


def _encoder(column: pa.ChunkedArray, *, name: str, missing: Missing, locations: RowLocations) -> Encoder:
    if is_category(column.type):
        return CATEGORIES[missing](column, name=name, locations=locations)
    if is_vector(column.type):
        return _lists(column, name=name, locations=locations)
    return NUMBERS[missing](column, name=name, locations=locations)


def _parts(column: pa.ChunkedArray) -> Iterator[pa.Array]:
    """The column, some rows at a time."""
    for chunk in column.chunks:
        yield from (chunk.slice(start, ROWS_AT_A_TIME) for start in range(0, len(chunk), ROWS_AT_A_TIME))


# --- numbers ----------------------------------------------------------------------------------------------------------


def _complete_numbers(column: pa.ChunkedArray, *, name: str, locations: RowLocations) -> Encoder:
    refuse_nulls(column, name=name, field=FIELD, locations=locations)
    return NUMBER


def _imputed_numbers(column: pa.ChunkedArray, **_: object) -> Encoder:
    """The numbers, missing ones as the median of the others (0 without any), and a feature that is 1 for those."""
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
    numbers = np.empty(len(column), np.float32)
    count = 0
    for part in _parts(column):
        values = _float32(part)
        finite = values[np.isfinite(values)]
        numbers[count : count + len(finite)] = finite
        count += len(finite)
    return float(np.median(numbers[:count], overwrite_input=True)) if count else 0.0


def _lists(column: pa.ChunkedArray, *, name: str, locations: RowLocations) -> Encoder:
    """Lists of one length, one per row; missing numbers in a list are always refused."""
    refuse_nulls(column, name=name, field=FIELD, locations=locations)
    widths = list(dict.fromkeys(width for part in _parts(column) for width in _widths(part)))
    if len(widths) != 1 or not widths[0]:
        fact = f"Column {name!r} holds lists of different lengths ({widths[:SHOWN]})"
        raise UnusableInputs(fact, field=FIELD)
    refuse_nulls(pc.list_flatten(column), name=name, field=FIELD, locations=locations, per_row=widths[0])
    return Encoder(widths[0], lambda part: _float32(part.flatten()).reshape(len(part), -1))


def _widths(lists: pa.Array) -> list[int]:
    return list(pc.unique(pc.list_value_length(lists)).to_pylist())


def _float32(numbers: pa.Array) -> Float32[np.ndarray, " numbers"]:
    """The numbers, nulls as NaN."""
    return np.asarray(numbers.cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False))


NUMBER = Encoder(1, lambda part: _float32(part)[:, None])
NUMBERS: Mapping[Missing, Callable[..., Encoder]] = {"refuse": _complete_numbers, "impute": _imputed_numbers}


class FiniteCheck:
    """Looks for NaN, infinities and numbers beyond float32 in encoded rows, block after block."""

    def __init__(self, spans: Mapping[str, slice], locations: RowLocations) -> None:
        """``spans``: the features of each column."""
        self.spans = spans
        self.locations = locations
        self._rows_checked = 0
        self._not_finite: dict[str, list[np.ndarray]] = {}

    def add(self, block: Block) -> None:
        """Note which of the next rows are not finite, column by column."""
        finite = np.isfinite(block)
        if not finite.all():
            for name, span in self.spans.items():
                rows = self._rows_checked + np.flatnonzero(~finite[:, span].all(axis=1))
                self._not_finite.setdefault(name, []).append(rows)
        self._rows_checked += len(block)

    def finish(self) -> None:
        """Raise MissingValues for the first column that is not finite in some row."""
        for name, blocks in self._not_finite.items():
            if len(rows := np.concatenate(blocks)):
                raise MissingValues(f"Column {name!r} is NaN or infinite in {self.locations.first(rows)}", field=FIELD)


# --- categories -------------------------------------------------------------------------------------------------------


def _complete_categories(column: pa.ChunkedArray, *, name: str, locations: RowLocations) -> Encoder:
    refuse_nulls(column, name=name, field=FIELD, locations=locations)
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
    """1 for each row's category: the most frequent categories first, the rest together last; all 0 for a null."""
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
    columns = {name: pa.chunked_array([part.field(name) for part in counts]) for name in ("values", "counts")}
    totals = pa.table(columns).group_by("values").aggregate([("counts", "sum")])
    order = [("counts_sum", "descending"), ("values", "ascending")]
    return totals.sort_by(order)["values"].combine_chunks()


CATEGORIES: Mapping[Missing, Callable[..., Encoder]] = {"refuse": _complete_categories, "impute": _imputed_categories}


# --- which categories are worth having -------------------------------------------------------------------------------


def gather_table(
    batches: Iterable[pa.RecordBatch], *, possible_categories: Collection[str], limits: Limits
) -> pa.Table:
    """Return the batches as a table, without those columns of ``possible_categories`` that hold free text.

    Categories occur twice on average, and there are at most 64 of them; a column that has more is dropped at once.
    """
    spooled = SpooledTable(limits)
    categories = dict[str, pa.Array | None].fromkeys(possible_categories)
    for batch in batches:
        different = {name: _union(values, batch[name]) for name, values in categories.items()}
        categories = {name: values for name, values in different.items() if len(values) <= MOST_CATEGORIES}
        dropped = {*possible_categories} - {*categories}
        spooled.add(batch.select([name for name in batch.schema.names if name not in dropped]))
    table = spooled.table()
    most = min(MOST_CATEGORIES, table.num_rows // ROWS_PER_CATEGORY)
    few = {name for name, values in categories.items() if values is not None and len(values) <= most}
    return table.select([name for name in table.column_names if name in few or name not in possible_categories])


def _union(values: pa.Array | None, column: pa.Array) -> pa.Array:
    """The different values in both."""
    others = pc.unique(without_dictionaries(column.drop_null()))
    return others if values is None else pc.unique(pa.concat_arrays([values, others]))
