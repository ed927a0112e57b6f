"""Whether a first line names columns or is a row like those that follow."""

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ted_core.datasets.formats.text.values import is_numeric, widened

MOST_COLUMNS = 100
"""That are looked at: they are enough to tell."""
FEWEST_YEARS = 3


def numbered(width: int) -> list[str]:
    """Return the names of columns that have none."""
    return [f"column_{number}" for number in range(width)]


def looks_like_data(header: Sequence[str], batch: pa.RecordBatch) -> bool:
    """Return whether the header could be a row of the batch: a number above numbers, or a value that occurs below it.

    Not if a word stands above numbers; and numbers that count the columns, as pandas names those that have no names,
    prove nothing.
    """
    columns = _named(header, batch)
    names = [name for name, column in columns if is_numeric(widened(pa.null(), column))]
    if not all(map(_is_number, names)):
        return False
    if names and not _count(name for name, _ in columns if _is_number(name)):
        return True
    return any(_occurs(name, column) for name, column in columns if not _is_number(name))


def looks_like_names(first: Sequence[str], batch: pa.RecordBatch) -> bool:
    """Return whether the first row names the columns of those that follow: words above numbers."""
    names = [name for name, column in _named(first, batch) if is_numeric(widened(pa.null(), column))]
    return bool(names) and not any(map(_is_number, names))


def _named(header: Sequence[str], batch: pa.RecordBatch) -> list[tuple[str, pa.Array]]:
    """The first columns over which something stands, and what it is."""
    columns = list(zip(header, batch.columns, strict=True))[:MOST_COLUMNS]
    return [(name, column) for name, column in columns if widened(pa.null(), pa.array([name])) != pa.null()]


def _count(names: Iterable[str]) -> bool:
    """Whether these are 0, 1, 2 …, or years and the like: three or more, each one more than the last."""
    try:
        numbers = [int(name) for name in names]
    except ValueError:
        return False
    consecutive = all(number == numbers[0] + index for index, number in enumerate(numbers))
    return consecutive and (numbers[:1] == [0] or len(numbers) >= FEWEST_YEARS)


def _is_number(value: str) -> bool:
    """Whether it is spelled as a number or a truth value."""
    return is_numeric(widened(pa.null(), pa.array([value])))


def _occurs(name: str, column: pa.Array) -> bool:
    return bool(pc.any(pc.equal(column, name), min_count=0).as_py())
