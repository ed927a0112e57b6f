"""Numbers that float32 could not tell apart are moved next to zero before they become float32.

A float32 has 24 binary digits: of points in time in milliseconds it keeps the minute. So numbers that lie close
together for their size are measured from the middle of their range, without losing digits on the way. That is what
scaling to mean 0 does anyhow, only too late. The middle depends on the smallest and the largest number alone, not on
the order of the rows.
"""

from collections.abc import Callable, Iterable, Iterator
from decimal import Context, Decimal
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float32

from ted_core.datasets.exchange.owner import exchanged

EXACT = 1 << 24
"""Whole numbers up to this are exact in float32."""
CLOSE, NOISE = 2.0**-10, 2.0**-40
"""Shares of the largest number: a range below the first loses most of its digits; one of fractions below the second is
the rounding of a constant."""
MOST_PRECISION = 73
"""Of a decimal: a difference has up to three digits more, and Arrow's decimals have 76."""
DIGITS = Context(prec=80)

Bounds = tuple[np.ndarray, np.ndarray]
"""The smallest and the largest number of each feature."""
ReadNumbers = Callable[[pa.Array], Float32[np.ndarray, " numbers"]]
"""Some of a column's numbers → float32, nulls as NaN."""


def middle(least: float, most: float) -> float | None:
    """Return the number to measure from, if float32 would lose digits that tell numbers of this range apart.

    Whole numbers are taken as exact, and so is what is returned of them.
    """
    size, spread = max(abs(least), abs(most)), most - least
    is_whole = isinstance(size, int)
    if not 0 < spread <= size / 2 or (not is_whole and not NOISE * size < spread < np.inf):
        return None
    if size <= EXACT and (is_whole or spread > CLOSE * size):
        return None
    return least + spread // 2 if is_whole else least + spread / 2


# --- one number per row -----------------------------------------------------------------------------------------------


def reader_of(column: pa.ChunkedArray) -> ReadNumbers:
    """Return how the column's numbers are to be read."""
    if pa.types.is_decimal(column.type):
        return _decimal_reader(column)
    if not may_lose_digits(column.type.to_pandas_dtype()):
        return float32
    bounds = _bounds(column)
    origin = middle(*bounds) if bounds else None
    return float32 if origin is None else lambda part: _masked(part, lambda values: differences(values, origin))


def float32(part: pa.Array) -> Float32[np.ndarray, " numbers"]:
    """Return the numbers as they are, nulls as NaN."""
    return np.asarray(part.cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False))


def _masked(part: pa.Array, read: Callable[[np.ndarray], np.ndarray]) -> Float32[np.ndarray, " numbers"]:
    """What is read of the numbers, nulls as NaN: as NumPy's numbers, nulls would make fractions of integers."""
    values = read(part.fill_null(0).to_numpy(zero_copy_only=False)).astype(np.float32)
    if part.null_count:
        values[part.is_null().to_numpy(zero_copy_only=False)] = np.nan
    return values


def _decimal_reader(column: pa.ChunkedArray) -> ReadNumbers:
    bounds = _bounds(column)
    precision, scale = column.type.precision, column.type.scale
    if bounds is None or precision > MOST_PRECISION:
        return float32
    origin = middle(*(int(bound.scaleb(scale, DIGITS)) for bound in bounds))
    if origin is None:
        return float32
    wide = pa.decimal256(precision + 2, scale)
    start = pa.scalar(Decimal(origin).scaleb(-scale, DIGITS), wide)
    return lambda part: float32(pc.subtract(part.cast(wide), start).cast(pa.float64()))


def _bounds(column: pa.ChunkedArray) -> tuple[Any, Any] | None:
    """The smallest and the largest number of all owners' rows; None if there are none but nulls."""
    parts = exchanged([bound.as_py() for bound in pc.min_max(column).values()])
    known = [(least, most) for least, most in parts if least is not None]
    return (min(least for least, _ in known), max(most for _, most in known)) if known else None


def may_lose_digits(dtype: np.dtype | type) -> bool:
    """Return whether some numbers of this type are none of float32."""
    return not np.can_cast(dtype, np.float32)


def differences(values: np.ndarray, origin: float) -> np.ndarray:
    """Return how far the values are from the origin; exactly if they are whole."""
    if values.dtype.kind == "f":
        return values - origin
    unsigned = values.astype(np.int64).view(np.uint64) if values.dtype.kind == "i" else values.astype(np.uint64)
    return (unsigned - np.uint64(int(origin) % (1 << 64))).view(np.int64)


# --- several numbers per row ------------------------------------------------------------------------------------------


class Origins(NamedTuple):
    """Where the features of rows of numbers are measured from."""

    features: np.ndarray
    """The features that are not measured from 0."""
    origins: list[float]
    """Their origins."""

    @classmethod
    def of(cls, blocks: Iterable[np.ndarray]) -> "Origins":
        """Return those of these rows, and of the other owners', which come in blocks, at least one not empty."""
        bounds: Bounds | None = None
        for block in blocks:
            if len(block):
                least, most = np.fmin.reduce(block), np.fmax.reduce(block)
                bounds = _joined(bounds, (least, most))
        for others in exchanged(bounds):
            bounds = _joined(bounds, others)
        pairs = [] if bounds is None else zip(*(bound.tolist() for bound in bounds), strict=True)
        found = {index: origin for index, pair in enumerate(pairs) if (origin := middle(*pair)) is not None}
        return cls(np.array([*found], np.intp), [*found.values()])

    def apply(self, block: np.ndarray) -> Float32[np.ndarray, "rows features"]:
        """Return some of the rows, measured from these origins."""
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, which is refused later
            values = block.astype(np.float32)
            for feature, origin in zip(self.features, self.origins, strict=True):
                values[:, feature] = differences(block[:, feature], origin)
        return values


def _joined(bounds: Bounds | None, others: Bounds | None) -> Bounds | None:
    """The lower and upper bounds of both."""
    if bounds is None or others is None:
        return others if bounds is None else bounds
    return np.fmin(bounds[0], others[0]), np.fmax(bounds[1], others[1])


def list_rows(parts: Iterable[pa.Array], width: int) -> Iterator[np.ndarray]:
    """Yield lists of this many numbers, without nulls, as blocks of rows."""
    for part in parts:
        yield part.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
