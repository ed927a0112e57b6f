"""Schema summaries of datasets that have not changed since.

To count the rows of a text, or to ask an object store for footers, takes seconds, and a sweep over keep ratios asks for
the same again and again.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from threading import Lock

from cachetools import LRUCache

from ted_core.datasets.formats.base import SchemaSummary
from ted_core.datasets.sources.base import Source
from ted_core.datasets.spec import DatasetSpec

MOST_BYTES = 4 << 20
SUMMARY_BYTES, PER_FILE_BYTES, PER_FIELD_BYTES = 1 << 10, 32, 100
"""What a summary takes in memory at least, for each file, and for each text and field of a schema."""
SETTLED_NS = 3_000_000_000
"""A file that was changed less than this long ago may change again without looking any different."""


def _bytes(summary: SchemaSummary) -> int:
    texts = [*summary.columns, *(summary.classes or ()), *(summary.first_row or {}).values()]
    fields = len(summary.schema) if summary.schema else 0
    described = PER_FILE_BYTES * len(summary.rows or ()) + PER_FIELD_BYTES * (fields + len(texts))
    return SUMMARY_BYTES + sum(map(len, texts)) + described


_summaries: LRUCache[str, SchemaSummary] = LRUCache(MOST_BYTES, getsizeof=_bytes)
_lock = Lock()


def cached_summary(
    spec: DatasetSpec, files: Sequence[Source], make: Callable[[], SchemaSummary], *, kind: str = "headers"
) -> SchemaSummary:
    """Return the remembered summary of these files, or else what ``make`` returns. Errors are not remembered.

    ``kind``: what was looked at; summaries of different kinds are remembered side by side.
    """
    if not all(map(_is_settled, files)):
        return make()
    key = _key(spec, files, kind)
    with _lock:
        summary = _summaries.get(key)
    if summary is None:
        summary = make()
        _remember(key, summary)
    return summary


def _remember(key: str, summary: SchemaSummary) -> None:
    if _bytes(summary) <= MOST_BYTES:
        with _lock:
            _summaries[key] = summary


def _is_settled(file: Source) -> bool:
    return 0 < file.modified < time.time_ns() - SETTLED_NS


def _key(spec: DatasetSpec, files: Sequence[Source], kind: str) -> str:
    """Changes when the request or a file's path, size or time does."""
    digest = hashlib.sha256(json.dumps([kind, spec.model_dump(mode="json")]).encode())
    for file in files:
        digest.update(json.dumps([file.path, file.size, file.modified]).encode())
    return digest.hexdigest()
