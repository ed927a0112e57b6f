"""Rows are counted where a pretrained model goes over all of them before any training, which can take many minutes.

Who wants to know says so around the call, and those in between need not: ``with counting_rows(told): prepare(…)``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

CountRows = Callable[[int], None]


def _ignore(_: int) -> None:
    """Do nothing."""


_listener: ContextVar[CountRows] = ContextVar("row_count_listener", default=_ignore)


@contextmanager
def counting_rows(listener: CountRows) -> Iterator[None]:
    """Tell the listener of the rows that are gone over in the block, some at a time."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def count_rows(rows: int) -> None:
    """Count rows that a model has gone over."""
    _listener.get()(rows)
