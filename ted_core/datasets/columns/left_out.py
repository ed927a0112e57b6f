"""Which columns of a table are no inputs unless they are named, and why: row numbers, ids, times, lists, free text."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic_core import from_json

from ted_core.datasets.columns.types import KEY_NAMES, is_category, is_number, is_vector
from ted_core.datasets.exchange.owner import current_owner, exchanged
from ted_core.datasets.findings import findings, warn
from ted_core.datasets.row_locations import RowLocations
from ted_core.warnings import WarningCode

FIELD = "dataset.input"
PANDAS_KEY = b"pandas"
"""Where pandas says in a schema which columns were its index: https://pandas.pydata.org/docs/development/developer.html."""
UNNAMED = ("", "unnamed0", "unnamed01", "unnamed00")
"""What ``to_csv`` and ``read_csv`` call an index without a name. Of all names here only letters and digits are left."""
UNNAMED_LEVEL = "__index_level_"
ROW_NUMBERS = ("index", "idx", "rowid", "rowidx", "rowindex", "rownumber", "rownum", "rowno", "level0")
ID_NAMES = ("id", "uid", "uuid", "guid", "samplekey")
FEWEST_ROWS = 10
"""A column of whole numbers may count fewer rows by chance."""
MOST_CATEGORIES = 64
WARNED_OF = 10
"""Columns that a warning names."""


class LeftOutColumn(NamedTuple):
    """Why a column is no input."""

    reason: str
    is_unexpected: bool = True
    """Whether somebody might expect it to be an input, so that there is a warning."""


IDS = LeftOutColumn("holds ids, by its name", is_unexpected=False)
TEXT = LeftOutColumn(f"holds more than {MOST_CATEGORIES} different texts, or hardly any twice")
COUNTER = LeftOutColumn("counts the rows")


def left_out_of_tables(schema: pa.Schema, targets: Sequence[str]) -> dict[str, LeftOutColumn]:
    """Return the columns, besides the targets, that are no inputs for what their names, types and metadata are."""
    indices, skipped = _pandas_indices(schema), {*targets}
    reasons = {field.name: _reason(field, indices) for field in schema if field.name not in skipped}
    return {name: reason for name, reason in reasons.items() if reason}


def _reason(field: pa.Field, indices: Sequence[str]) -> LeftOutColumn | None:
    if field.name in KEY_NAMES:
        return IDS
    if field.name in indices:
        return LeftOutColumn("is an index of pandas")
    letters = "".join(filter(str.isalnum, field.name.lower()))
    is_discrete = is_category(field.type) or pa.types.is_integer(field.type)
    if (letters in UNNAMED and (letters or not field.name.strip())) or field.name.startswith(UNNAMED_LEVEL):
        return LeftOutColumn("is an index without a name")
    if is_discrete and (letters in ROW_NUMBERS or field.name.strip() == "#"):
        return LeftOutColumn("numbers the rows, by its name")
    if is_discrete and letters in ID_NAMES:
        return LeftOutColumn("holds ids, by its name")
    return None if is_number(field.type) or is_category(field.type) else _unsuited(field.type)


def _unsuited(data_type: pa.DataType) -> LeftOutColumn:
    if is_vector(data_type):
        return LeftOutColumn("holds lists of numbers, which are inputs only if they are named")
    is_unexpected = pa.types.is_temporal(data_type)
    return LeftOutColumn(f"is of type {data_type}, which is neither a number nor a category", is_unexpected)


def _pandas_indices(schema: pa.Schema) -> list[str]:
    try:
        stated: Any = from_json((schema.metadata or {}).get(PANDAS_KEY, b"{}"))
    except ValueError:
        return []
    columns = stated.get("index_columns") if isinstance(stated, dict) else None
    return [name for name in columns if isinstance(name, str)] if isinstance(columns, list) else []


def note_left_out(columns: Mapping[str, LeftOutColumn]) -> None:
    """Note the columns and the reasons, and warn of those that somebody might expect to be inputs."""
    findings().left_out.update({name: column.reason for name, column in columns.items()})
    unexpected = [f"{name!r} {column.reason}" for name, column in columns.items() if column.is_unexpected]
    if unexpected:
        named = "; ".join(unexpected[:WARNED_OF])
        others = f"; and {len(unexpected) - WARNED_OF:,} more" if len(unexpected) > WARNED_OF else ""
        columns_are = "1 column is no input" if len(unexpected) == 1 else f"{len(unexpected):,} columns are no inputs"
        warn(WarningCode.COLUMNS_LEFT_OUT, f"{columns_are}: {named}{others}", field=FIELD)


# --- counters ---------------------------------------------------------------------------------------------------------


CounterEnds = tuple[int, Mapping[str, int], Mapping[str, int | None]]
"""An owner's rows, and each column's number in the first and in the last of them."""


class RowCounters:
    """Which columns of whole numbers count the rows from 0 or 1, perhaps in each file anew."""

    def __init__(self, names: Sequence[str], locations: RowLocations) -> None:
        self._last = dict[str, int | None].fromkeys(names)
        """Each candidate's number in the row before; None before the first row."""
        self._first: dict[str, int] = {}
        """Each candidate's number in the first row."""
        starts = np.concatenate([[0], np.cumsum(locations.rows, dtype=np.int64)])
        self._starts = starts if current_owner().number == 0 else starts[1:]  # who follows is asked for the first row
        self.rows = 0
        """How many were looked at."""

    def add(self, batch: pa.RecordBatch) -> None:
        """Look at the next rows."""
        starts = self._starts - self.rows
        restarts = starts[(starts >= 0) & (starts < batch.num_rows)]
        for name, last in list(self._last.items()):
            numbers = _whole_numbers(batch[name])
            if numbers is not None and _counts(numbers, last, restarts):
                self._note(name, numbers)
            else:
                del self._last[name]
        self.rows += batch.num_rows

    def _note(self, name: str, numbers: np.ndarray) -> None:
        if len(numbers):
            self._first.setdefault(name, int(numbers[0]))
            self._last[name] = int(numbers[-1])

    def names(self) -> list[str]:
        """Return the columns that have counted all rows so far, those of other owners too; none for a few rows."""
        parts = exchanged((self.rows, self._first, self._last))
        if sum(rows for rows, _, _ in parts) < FEWEST_ROWS:
            return []
        return [name for name in self._last if all(_continues(name, *pair) for pair in pairwise(parts))]


def _continues(name: str, before: CounterEnds, after: CounterEnds) -> bool:
    """Whether the column counts the rows of both owners, from one to the other or for the second anew."""
    (_, _, last), (_, first, further) = before, after
    return name in last and name in further and first[name] in (0, 1, (last[name] or 0) + 1)


def _whole_numbers(column: pa.Array) -> np.ndarray | None:
    return None if column.null_count else column.to_numpy(zero_copy_only=False).astype(np.int64)


def _counts(numbers: np.ndarray, last: int | None, restarts: np.ndarray) -> bool:
    """Whether each number is the one before it plus 1, or at the start of a file 0 or 1."""
    if not len(numbers):
        return True
    before = np.concatenate([numbers[:1] - 1 if last is None else [last], numbers[:-1]])
    follows = numbers == before + 1
    follows[restarts] = np.isin(numbers[restarts], (0, 1)) | (follows[restarts] & (last is not None))
    return bool(follows.all())
