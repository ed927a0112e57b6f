"""Where a dataset's rows are, so that an error can name them."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

SHOWN = 5


@dataclass(frozen=True)
class RowLocations:
    """The dataset's files and how many rows each has."""

    files: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    is_part: bool = False
    """Whether the dataset has other files."""

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.rows)

    def first_only(self, rows: int) -> "RowLocations":
        """Return the locations of the first rows alone. Where no rows are counted, all lie in the first file."""
        if not self.rows:
            return RowLocations(self.files[:1], (rows,))
        starts = [0, *accumulate(self.rows)]
        return RowLocations(
            self.files, tuple(min(count, max(0, rows - start)) for count, start in zip(self.rows, starts, strict=False))
        )

    def name(self, row: int) -> str:
        """Return the row's number, counted from 0; if there are several files, its number in its file, and which."""
        if len(self.files) < 2 and not self.is_part:  # noqa: PLR2004 - a single file
            return str(row)
        ends = list(accumulate(self.rows))
        file = bisect_right(ends, row)
        return f"{row - ends[file] + self.rows[file]} of {self.files[file]}"

    def first(self, rows: Sequence[int] | np.ndarray) -> str:
        """Say how many rows these are, and name the first of them."""
        return f"{len(rows)} rows, first: {', '.join(self.name(int(row)) for row in rows[:SHOWN])}"
