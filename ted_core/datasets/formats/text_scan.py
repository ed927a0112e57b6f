"""What text formats share: rows and types are known only once a file has been read through."""

from collections.abc import Callable, Hashable, Sequence
from functools import wraps
from threading import Lock
from typing import ParamSpec, TypeVar

import pyarrow as pa
from cachetools import LRUCache

from ted_core.datasets.budget import current_budget, within_budget
from ted_core.datasets.sources.base import COMPRESSED_SUFFIXES, Source
from ted_core.errors import DatasetUnreadable

MOST_SOURCES = 1024
MOST_COLUMNS = 50_000
"""Of a text: each takes a few kilobytes to be parsed."""
Parameters = ParamSpec("Parameters")
Reading = TypeVar("Reading")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""How a text in UTF-8 may begin."""


def cached_per_source(read: Callable[Parameters, Reading]) -> Callable[Parameters, Reading]:
    """Make the function of a source read the file again only if its size or time has changed.

    What it returns once the inspection's budget is spent is not remembered.
    """
    cache: LRUCache[Hashable, Reading] = LRUCache(MOST_SOURCES)
    lock = Lock()

    @wraps(read)
    def cached(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Reading:
        with lock:
            if args in cache:
                return cache[args]
        reading = read(*args, **kwargs)
        if current_budget().counted:
            with lock:
                cache[args] = reading
        return reading

    return cached


def scan_each(scan: Callable[[Source], Reading], sources: Sequence[Source]) -> list[Reading]:
    """Return what a scan of each source finds: of the first one always, of others as far as the budget goes."""
    readings = [scan(sources[0]), *map(scan, within_budget(sources[1:]))]
    budget = current_budget()
    budget.typed = budget.counted
    return readings


def many_columns_error(source: Source) -> DatasetUnreadable:
    """Return the error that a row would have more columns than are read."""
    return DatasetUnreadable(f"{source.name} has more than {MOST_COLUMNS:,} columns", field="dataset.uri")


def suffixes(*names: str) -> tuple[str, ...]:
    """Return a text format's suffixes, plain and compressed."""
    return tuple(name + compressed for name in names for compressed in ("", *COMPRESSED_SUFFIXES))


def text_of(source: Source) -> pa.NativeFile:
    """Open the file's text, which is decompressed as it is read."""
    return source.stream(source.compression())
