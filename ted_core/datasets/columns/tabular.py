"""Columns of numbers, lists of numbers and categories → one row of float32 per sample.

A number is one feature, measured from the middle of its column's range where float32 would lose digits. A column of
categories is one feature per category, 1 if the row has it: one for each of the 64 most frequent ones, and one for all
others together. What becomes of missing values is the request's choice.

Each column is read through once, to choose its encoder, and then encoded some rows at a time: besides the table and the
array that is filled, only a column with missing numbers takes memory that grows with the rows, 4 bytes each.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain, pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float32

from ted_core.datasets.columns.array_cache import Allocate
from ted_core.datasets.columns.centring import (
    Origins,
    ReadNumbers,
    float32,
    list_rows,
    may_lose_digits,
    reader_of,
)
from ted_core.datasets.columns.left_out import COUNTER, MOST_CATEGORIES, TEXT, LeftOutColumn, RowCounters
from ted_core.datasets.columns.schemas import abbreviated_list
from ted_core.datasets.columns.spooled_table import SpooledTable
from ted_core.datasets.columns.types import is_category, is_vector, refuse_nulls, without_dictionaries
from ted_core.datasets.exchange.owner import exchanged
from ted_core.datasets.exchange.tables import of_all_owners
from ted_core.datasets.findings import warn
from ted_core.datasets.limits import Limits
from ted_core.datasets.row_locations import SHOWN, RowLocations
from ted_core.datasets.samples import Vectors
from ted_core.datasets.spec import Missing
from ted_core.errors import MissingValues, UnusableInputs
from ted_core.warnings import WarningCode

FIELD = "dataset.input"
ROWS_PER_CATEGORY = 2
"""On average; strings that occur less often describe rows rather than sort them into categories."""
ROWS_AT_A_TIME = 65_536
"""Rows of one column that are looked at together."""
FEWEST_MEASURES, MOST_OF_THEM = 5, 0.8
"""So many different numbers among words, and such a share of all, are worth a warning."""
MOST_COMPARED, MEASURES_SHOWN = 1000, 3
SEPARATORS, THOUSAND, UNITS = ".,' \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}", 3, "%$\N{EURO SIGN}\N{POUND SIGN}"
DATE_PARTS = ([1, 1, 4], [1, 2, 4], [2, 2, 4], [2, 2, 2], [1, 2, 2])
"""How many digits a date's day, month and year have, in ascending order."""
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
    return _one_feature(reader_of(column))


def _one_feature(read: ReadNumbers) -> Encoder:
    return Encoder(1, lambda part: read(part)[:, None])


def _imputed_numbers(column: pa.ChunkedArray, **_: object) -> Encoder:
    """The numbers, missing ones as the median of the others (0 without any), and a feature that is 1 for those."""
    read = reader_of(column)
    if not any(np.isnan(read(part)).any() for part in _parts(column)):
        return _one_feature(read)
    median = _median(column, read)

    def encode(part: pa.Array) -> Block:
        values = read(part)
        absent = np.isnan(values)
        return np.column_stack([np.where(absent, median, values), absent]).astype(np.float32)

    return Encoder(2, encode)


def _median(column: pa.ChunkedArray, read: ReadNumbers) -> float:
    """The median of the finite numbers; 0 without any."""
    numbers = np.empty(len(column), np.float32)
    count = 0
    for part in _parts(column):
        values = read(part)
        finite = values[np.isfinite(values)]
        numbers[count : count + len(finite)] = finite
        count += len(finite)
    return float(np.median(numbers[:count], overwrite_input=True)) if count else 0.0


def _lists(column: pa.ChunkedArray, *, name: str, locations: RowLocations) -> Encoder:
    """Lists of one length, one per row; missing numbers in a list are always refused."""
    refuse_nulls(column, name=name, field=FIELD, locations=locations)
    widths = list(dict.fromkeys(chain(*exchanged([width for part in _parts(column) for width in _widths(part)]))))
    if len(widths) != 1 or not widths[0]:
        held = f"lists of different lengths ({widths[:SHOWN]})" if any(widths) else "nothing but empty lists"
        raise UnusableInputs(f"Column {name!r} holds {held}", field=FIELD)
    refuse_nulls(pc.list_flatten(column), name=name, field=FIELD, locations=locations, per_row=widths[0])
    return Encoder(widths[0], _list_reader(column, widths[0]))


def _list_reader(column: pa.ChunkedArray, width: int) -> Callable[[pa.Array], Block]:
    number = column.type.value_type
    if pa.types.is_decimal(number) or not may_lose_digits(number.to_pandas_dtype()):
        return lambda part: float32(part.flatten()).reshape(-1, width)
    origins = Origins.of(list_rows(_parts(column), width))
    return lambda part: origins.apply(next(list_rows([part], width)))


def _widths(lists: pa.Array) -> list[int]:
    return list(pc.unique(pc.list_value_length(lists)).to_pylist())


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
    """The different values of all owners' rows, the most frequent first, equally frequent ones by value."""
    counts = [without_dictionaries(part).drop_null().value_counts() for part in _parts(column)]
    columns = {name: pa.chunked_array([part.field(name) for part in counts]) for name in ("values", "counts")}
    totals = of_all_owners(pa.table(columns)).group_by("values").aggregate([("counts", "sum")])
    order = [("counts_sum", "descending"), ("values", "ascending")]
    return totals.sort_by(order)["values"].combine_chunks()


CATEGORIES: Mapping[Missing, Callable[..., Encoder]] = {"refuse": _complete_categories, "impute": _imputed_categories}


# --- numbers and dates that are read as words -------------------------------------------------------------------------


def warn_of_measures(table: pa.Table) -> None:
    """Warn of columns of categories most of which look like numbers or dates that could not be read as such."""
    strings = [name for name in table.column_names if is_category(table.schema.field(name).type)]
    odd = {name: values for name in strings if _look_measured(values := _some_values(table[name]))}
    if odd:
        shown = (f"{name!r} ({', '.join(map(repr, values[:MEASURES_SHOWN]))} …)" for name, values in odd.items())
        fact = f"{abbreviated_list(shown)} would be numbers or dates if they were spelled otherwise"
        warn(WarningCode.VALUES_READ_AS_WORDS, fact, field=FIELD)


def _some_values(column: pa.ChunkedArray) -> Sequence[str]:
    """The different values of the first rows."""
    part = next(_parts(column), None)
    values = [] if part is None else pc.unique(without_dictionaries(part).drop_null())[:MOST_COMPARED].to_pylist()
    return [str(value) for value in values]


def _look_measured(values: Sequence[str]) -> bool:
    """Whether enough of the values are spelled numbers or dates, and not all of them codes of mere digits."""
    measured = sum(_is_spelled_number(value) or _is_spelled_date(value) for value in values)
    enough = measured >= max(FEWEST_MEASURES, MOST_OF_THEM * len(values))
    return enough and not all(value.isdecimal() for value in values)


def _is_spelled_number(text: str) -> bool:
    """Whether the text is a number, perhaps with a sign, separators and a unit of money or per cent.

    >>> [_is_spelled_number(text) for text in ("1,5", "-1 234.50", "$3", "12 %", "1.2.3", "10-20", "3rd")]
    [True, True, True, True, False, False, False]
    """
    digits = text.strip().strip(UNITS).strip().lstrip("+-\N{MINUS SIGN}")
    groups = "".join(" " if letter in SEPARATORS else letter for letter in digits.strip(UNITS).strip()).split(" ")
    return all(map(str.isdecimal, groups)) and all(len(group) == THOUSAND for group in groups[1:-1])


def _is_spelled_date(text: str) -> bool:
    """Whether the text begins with a day, a month and a year in digits.

    >>> [_is_spelled_date(text) for text in ("2024-01-31", "31.1.2024 12:00", "1/31/24", "2024-01", "555-12-1234")]
    [True, True, True, False, False]
    """
    day = text.strip().replace("T", " ").partition(" ")[0]
    parts = "".join(" " if letter in "-/." else letter for letter in day).split(" ")
    return all(map(str.isdecimal, parts)) and sorted(map(len, parts)) in DATE_PARTS


# --- which categories are worth having -------------------------------------------------------------------------------


class GatheredTable(NamedTuple):
    """A table's rows, without the columns that its values show to be no inputs."""

    table: pa.Table
    left_out: Mapping[str, LeftOutColumn]


def gather_table(
    batches: Iterable[pa.RecordBatch],
    *,
    inputs: Collection[str],
    possible_categories: Collection[str],
    possible_counters: Collection[str],
    limits: Limits,
    locations: RowLocations,
) -> GatheredTable:
    """Return the batches as a table, without free text among the possible categories and without counters.

    Categories occur twice on average, and there are at most 64 of them; a column that has more is dropped at once.
    """
    spooled, counters = SpooledTable(limits), RowCounters([*possible_counters], locations)
    categories = dict[str, pa.Array | None].fromkeys(possible_categories)
    for batch in batches:
        different = {name: _union(values, batch[name]) for name, values in categories.items()}
        categories = {name: values for name, values in different.items() if len(values) <= MOST_CATEGORIES}
        counters.add(batch)
        dropped = {*possible_categories} - {*categories}
        spooled.add(batch.select([name for name in batch.schema.names if name not in dropped]))
    table = spooled.table()
    most = min(MOST_CATEGORIES, sum(exchanged(table.num_rows)) // ROWS_PER_CATEGORY)
    few = {name for name, values in _of_all_owners(categories).items() if len(values) <= most}
    left_out = {name: TEXT for name in possible_categories if name not in few}
    left_out |= dict.fromkeys(_not_alone(counters.names(), inputs={*inputs} - {*left_out}), COUNTER)
    return GatheredTable(table.select([name for name in table.column_names if name not in left_out]), left_out)


def _of_all_owners(categories: Mapping[str, pa.Array | None]) -> Mapping[str, pa.Array]:
    """The different values that the columns hold which no owner has dropped, without those that hold no rows."""
    parts = exchanged(categories)
    names = [name for name in categories if all(name in part for part in parts)]
    held = {name: [part[name] for part in parts if part[name] is not None] for name in names}
    return {name: pc.unique(pa.concat_arrays(values)) for name, values in held.items() if values}


def _not_alone(counters: Sequence[str], *, inputs: Collection[str]) -> Sequence[str]:
    """The counters, unless there is no other input."""
    if not counters or {*counters} != inputs:
        return counters
    for name in counters:
        warn(WarningCode.INPUT_COUNTS_ROWS, f"{name!r} {COUNTER.reason}", field=FIELD)
    return []


def _union(values: pa.Array | None, column: pa.Array) -> pa.Array:
    """The different values in both."""
    others = pc.unique(without_dictionaries(column.drop_null()))
    return others if values is None else pc.unique(pa.concat_arrays([values, others]))
