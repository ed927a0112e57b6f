"""Outlines of datasets that have not changed since: to count the rows of a text, or to ask a store for footers, takes
seconds, and a sweep over keep ratios asks for the same again and again."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from threading import Lock

from cachetools import LRUCache

from ted_core.datasets.formats.base import SchemaSummary
from ted_core.datasets.sources.base import Source
from ted_core.datasets.spec import DatasetSpec

MOST_BYTES, LEAST_BYTES, PER_FILE_BYTES = 4 << 20, 1 << 10, 32
SETTLED_NS = 3_000_000_000
"""A file that was changed less than so long ago may be changed again without looking any different."""


def _bytes(outline: SchemaSummary) -> int:
    return LEAST_BYTES + sum(map(len, outline.columns)) + PER_FILE_BYTES * len(outline.rows)


_summaries: LRUCache[str, SchemaSummary] = LRUCache(MOST_BYTES, getsizeof=_bytes)
_turn = Lock()


def cached_summary(spec: DatasetSpec, files: Sequence[Source], make: Callable[[], SchemaSummary]) -> SchemaSummary:
    """The outline of these files: the one known, or what ``make`` returns. Refusals are not remembered."""
    if not all(map(_is_settled, files)):
        return make()
    key = _key(spec, files)
    with _turn:
        known = _summaries.get(key)
    if known is None:
        known = make()
        if _bytes(known) <= MOST_BYTES:
            with _turn:
                _summaries[key] = known
    return known


def _is_settled(file: Source) -> bool:
    return 0 < file.modified < time.time_ns() - SETTLED_NS


def _key(spec: DatasetSpec, files: Sequence[Source]) -> str:
    """Changes when the request or a file's path, size or time does."""
    stats = [(file.path, file.size, file.modified) for file in files]
    return hashlib.sha256(json.dumps([spec.model_dump(mode="json"), stats]).encode()).hexdigest()
