"""How long an inspection may count rows.

Whoever counts asks between files, or between blocks of one, whether to stop. A runner counts without a budget.
"""

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

Counted = TypeVar("Counted")

LISTING_SHARE = 0.25
"""What listing a folder may take of the seconds: looking at the files that were listed takes three times as long."""
OVERTIME_SECONDS = 0.5
"""How long after the last moment of counting a look at rows may end."""
PREVIEW_TEXT_BYTES = 256 << 20


@dataclass
class Budget:
    """Seconds of this machine's clock, and bytes of text, decompressed, that may be read."""

    seconds: float = math.inf
    text_bytes: float = math.inf
    counted: bool = True
    """Whether nobody has had to stop so far."""
    listed: bool = True
    """Whether no listing has had to stop so far."""
    typed: bool = True
    """Whether the types of the columns hold for all rows; those of a text are known once it has been read through."""
    preview_seconds: float = 0.0
    """How long some rows may be looked at besides; not at all unless somebody asks for it."""
    started: float = field(default_factory=time.monotonic)

    def is_spent(self, *, text_bytes: int = 0) -> bool:
        """Return whether to stop, once these bytes of text were read. If so, not all rows are counted."""
        self.text_bytes -= text_bytes
        if self.text_bytes < 0 or self._elapsed() > self.seconds:
            self.counted = False
        return not self.counted

    def is_spent_on_listing(self) -> bool:
        """Return whether to stop listing files. If so, neither files nor rows are all counted."""
        if self._elapsed() > self.seconds * LISTING_SHARE:
            self.listed = self.counted = False
        return not self.listed

    def for_preview(self) -> "Budget | None":
        """Return what is left for looking at rows; None if nothing is. Counting does not notice how it is spent."""
        left = self.seconds + OVERTIME_SECONDS - self._elapsed()
        seconds = min(self.preview_seconds, left)
        return Budget(seconds, PREVIEW_TEXT_BYTES) if seconds > 0 and self.listed else None

    def _elapsed(self) -> float:
        return time.monotonic() - self.started


_current: ContextVar[Budget | None] = ContextVar("budget", default=None)


def current_budget() -> Budget:
    """Return the budget of this inspection, in its own thread; elsewhere one that is never spent."""
    return _current.get() or Budget()


@contextmanager
def limited(budget: Budget) -> Iterator[None]:
    """Let what the block counts take this budget."""
    token = _current.set(budget)
    try:
        yield
    finally:
        _current.reset(token)


def within_budget(items: Iterable[Counted]) -> Iterator[Counted]:
    """Yield the items until the budget is spent."""
    budget = current_budget()
    for item in items:
        if budget.is_spent():
            return
        yield item


def within_listing_budget(items: Iterable[Counted]) -> Iterator[Counted]:
    """Yield the items until what listing may take is spent."""
    budget = current_budget()
    for item in items:
        if budget.is_spent_on_listing():
            return
        yield item
