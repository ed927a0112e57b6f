"""Rows that hold whole files: how large a file may be, and how many are in memory at a time."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

LARGEST_FILE = 256 << 20
"""Bytes; anything larger is neither an image nor a text that a model reads."""
BATCH_FILES = 256
BATCH_BYTES = 64 << 20


def batched_by_size(items: Iterable[Item], *, size: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Yield the items in order, in batches of at most 256 items and 64 MiB; a larger item is a batch of its own."""
    batch: list[Item] = []
    batch_bytes = 0
    for item in items:
        item_bytes = size(item)
        if batch and (len(batch) == BATCH_FILES or batch_bytes + item_bytes > BATCH_BYTES):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(item)
        batch_bytes += item_bytes
    if batch:
        yield batch
