"""Rows that hold whole files: how large one may be, and how many are in memory at a time."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

LARGEST_FILE = 256 << 20
"""Bytes; what claims to be larger is no image, and no text that a model reads."""
BATCH_FILES = 256
BATCH_BYTES = 64 << 20


def batched_by_size(items: Iterable[Item], *, size: Callable[[Item], int]) -> Iterator[list[Item]]:
    """The items in turn, at most 256 at a time, and at most 64 MiB unless one alone is larger."""
    batch: list[Item] = []
    held = 0
    for item in items:
        added = size(item)
        if batch and (len(batch) == BATCH_FILES or held + added > BATCH_BYTES):
            yield batch
            batch, held = [], 0
        batch.append(item)
        held += added
    if batch:
        yield batch
