"""What the processes that read parts of one dataset tell each other.

Columns are understood by all their rows: which classes, categories and sizes there are, and where numbers lie. Readers
lie deep below whoever knows that there are other processes, so they ask here, as they do for
``ted_core.datasets.budget``. All owners read the same columns in the same order, so that what one of them tells meets
what the others do.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

Told = TypeVar("Told")


@dataclass(frozen=True)
class Owner:
    """One of several processes, and how it hears of the others."""

    number: int = 0
    """Owners read the dataset's files in the order of their numbers."""
    count: int = 1
    exchange: Callable[[Any], list[Any]] = lambda value: [value]
    """A value of this owner → those of all of them, in the order of their numbers. All owners call it."""


SOLE_OWNER = Owner()
_current: ContextVar[Owner] = ContextVar("owner", default=SOLE_OWNER)


@contextmanager
def reading_as(owner: Owner) -> Iterator[None]:
    """Read as this owner in the block."""
    token = _current.set(owner)
    try:
        yield
    finally:
        _current.reset(token)


def current_owner() -> Owner:
    """Return the owner that reads in this thread: the only one, unless somebody has said otherwise."""
    return _current.get()


def exchanged(value: Told) -> list[Told]:
    """Return the values of all owners; of an only one its own."""
    return current_owner().exchange(value)
