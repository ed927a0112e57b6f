"""Pages of a list: what belongs on one, and where the next begins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Row = TypeVar("Row")
Cursor = TypeVar("Cursor")


@dataclass(frozen=True)
class Page(Generic[Row]):
    """The rows of one page, and whether more follow."""

    rows: Sequence[Row]
    has_more: bool

    def next(self, cursor: Callable[[Row], Cursor]) -> Cursor | None:
        """Return the cursor of the last row, after which the next page begins; None on the last page."""
        return cursor(self.rows[-1]) if self.has_more else None


def read_page(read: Callable[[int], Sequence[Row]], limit: int) -> Page[Row]:
    """Return a page of at most ``limit`` rows. ``read`` is asked for one more, which tells whether another follows."""
    rows = read(limit + 1)
    return Page(rows[:limit], has_more=len(rows) > limit)
