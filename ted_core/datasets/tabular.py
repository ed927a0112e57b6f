"""Columns of numbers, lists of numbers and categories → one row of float32 per sample.

A number is one feature. A category is one feature per category, 1 where the row has it: for the 64 most frequent ones,
and together for the others. What becomes of missing values is the request's choice.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float32

from ted_core.datasets.columns import is_category, is_vector, plain, refuse_nulls
from ted_core.datasets.formats import Limits
from ted_core.datasets.places import SHOWN, Places
from ted_core.datasets.samples import Vectors
from ted_core.datasets.spec import Missing
from ted_core.errors import MissingValues, UnusableInputs

FIELD = "dataset.input"
MOST_CATEGORIES = 64
ROWS_PER_CATEGORY = 2
"""On average; a column of strings that occur less often describes rows, it does not sort them."""
ROWS_IN_CACHE = 4096

Columns = TypeVar("Columns", pa.RecordBatch, pa.Table)
Block = Float32[np.ndarray, "rows width"]


def vectors(table: pa.Table, *, missing: Missing, places: Places, limits: Limits) -> Vectors:
    """The columns side by side, in their order.

    Raises MissingValues, UnusableInputs, DatasetTooLarge.
    """
    blocks, held = [], 0
    for name in table.column_names:
        blocks.append(_block(table[name], name=name, missing=missing, places=places))
        held += blocks[-1].nbytes
        limits.refuse_beyond(held, f"{table.num_rows:,} rows of {table.num_columns:,} columns")
    return _side_by_side(blocks) if len(blocks) > 1 else np.ascontiguousarray(blocks[0])


def _side_by_side(blocks: Sequence[np.ndarray]) -> Vectors:
    """As ``hstack``, but some rows at a time, which stay in the processor's cache while columns are set into them."""
    rows, width = len(blocks[0]), sum(block.shape[1] for block in blocks)
    joined = np.empty((rows, width), np.float32)
    for start in range(0, rows, ROWS_IN_CACHE):
        part = slice(start, start + ROWS_IN_CACHE)
        np.concatenate([block[part] for block in blocks], axis=1, out=joined[part])
    return joined


def _block(column: pa.ChunkedArray, *, name: str, missing: Missing, places: Places) -> Block:
    if is_category(column.type):
        return CATEGORIES[missing](column, name=name, places=places)
    if is_vector(column.type):
        return _lists(column, name=name, places=places)
    return NUMBERS[missing](column, name=name, places=places)


# --- numbers ----------------------------------------------------------------------------------------------------------


def _complete_numbers(column: pa.ChunkedArray, *, name: str, places: Places) -> Block:
    refuse_nulls(column, name=name, field=FIELD, places=places)
    values = _float32(column)
    refuse_non_finite(values, name=name, places=places)
    return values[:, None]


def _imputed_numbers(column: pa.ChunkedArray, *, name: str, places: Places) -> Block:
    """The numbers, missing ones as the median of the others (0 without any), and a column that is 1 where they are."""
    values = _float32(column)
    absent = np.isnan(values)
    if not absent.any():
        refuse_non_finite(values, name=name, places=places)
        return values[:, None]
    refuse_non_finite(np.where(absent, 0, values), name=name, places=places)
    median = 0 if absent.all() else np.median(values[~absent])
    return np.column_stack([np.where(absent, median, values), absent]).astype(np.float32)


def _lists(column: pa.ChunkedArray, *, name: str, places: Places) -> Block:
    """Lists of one length, one per row; a list with holes has no policy but refusal."""
    refuse_nulls(column, name=name, field=FIELD, places=places)
    widths = pc.unique(pc.list_value_length(column)).to_pylist()
    if len(widths) != 1 or not widths[0]:
        fact = f"Column {name!r} holds lists of different lengths ({widths[:SHOWN]})"
        raise UnusableInputs(fact, field=FIELD)
    flat = pc.list_flatten(column)
    refuse_nulls(flat, name=name, field=FIELD, places=places, per_row=widths[0])
    block = _float32(flat).reshape(len(column), -1)
    refuse_non_finite(block, name=name, places=places)
    return block


def _float32(column: pa.ChunkedArray) -> np.ndarray:
    """The numbers, NaN where null."""
    values: np.ndarray = column.cast(pa.float32(), safe=False).to_numpy()
    return values if values.flags.writeable else values.copy()


def refuse_non_finite(block: np.ndarray, *, name: str, places: Places) -> None:
    """Raise MissingValues where a row holds NaN or an infinity, or a number beyond float32."""
    finite = np.isfinite(block).reshape(len(block), -1).all(axis=1)
    if not finite.all():
        rows = np.flatnonzero(~finite)
        raise MissingValues(f"Column {name!r} is NaN or infinite in {places.first(rows)}", field=FIELD)


NUMBERS: Mapping[Missing, Callable[..., Block]] = {"refuse": _complete_numbers, "impute": _imputed_numbers}


# --- categories -------------------------------------------------------------------------------------------------------


def _complete_categories(column: pa.ChunkedArray, *, name: str, places: Places) -> Block:
    refuse_nulls(column, name=name, field=FIELD, places=places)
    return _one_hot(plain(column))


def _imputed_categories(column: pa.ChunkedArray, *, name: str, places: Places) -> Block:
    """The categories, missing ones as the last."""
    values = plain(column)
    absent: Bool[np.ndarray, " rows"] = values.is_null().to_numpy()
    return np.column_stack([_one_hot(values), absent]).astype(np.float32) if absent.any() else _one_hot(values)


def _one_hot(values: pa.ChunkedArray) -> Block:
    """1 in the column of each row's category: the most frequent first, the rest together last; 0 for a null."""
    ranked = _ranked(values)
    frequent = ranked[:MOST_CATEGORIES]
    codes = pc.index_in(values, value_set=frequent).fill_null(len(frequent)).to_numpy()
    flags = np.zeros((len(values), len(frequent) + 1), np.float32)
    flags[np.arange(len(values)), codes] = values.is_valid().to_numpy()
    return flags if len(ranked) > len(frequent) else flags[:, :-1]


def _ranked(values: pa.ChunkedArray) -> pa.Array:
    """The different values, the most frequent first, equally frequent ones by value."""
    counts = values.drop_null().value_counts()
    table = pa.table({"value": counts.field("values"), "count": counts.field("counts")})
    return table.sort_by([("count", "descending"), ("value", "ascending")])["value"].combine_chunks()


CATEGORIES: Mapping[Missing, Callable[..., Block]] = {"refuse": _complete_categories, "impute": _imputed_categories}


# --- which categories are worth having -------------------------------------------------------------------------------


def gathered(batches: Iterable[pa.RecordBatch], *, doubtful: Collection[str]) -> pa.Table:
    """The batches as a table, without those doubtful columns that hold free text rather than categories.

    A category occurs twice on average, and there are at most 64 of them; a column that shows more is dropped at once.
    """
    parts, free = [], set[str]()
    for batch in batches:
        free |= {name for name in doubtful if name not in free and _distinct(batch[name]) > MOST_CATEGORIES}
        parts.append(_without(batch, free))
    table = pa.Table.from_batches([_without(part, free) for part in parts])
    return _without(table, {name for name in doubtful if name not in free and _is_free_text(table[name])})


def _is_free_text(column: pa.ChunkedArray) -> bool:
    return _distinct(column) > min(MOST_CATEGORIES, len(column) // ROWS_PER_CATEGORY)


def _distinct(column: pa.Array | pa.ChunkedArray) -> int:
    return len(pc.unique(plain(column.drop_null())))


def _without(table: Columns, names: Collection[str]) -> Columns:
    return table.select([name for name in table.schema.names if name not in names])
