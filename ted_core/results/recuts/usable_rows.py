"""What a re-cut reads of the decisions: some columns at a time, and only what it needs of every row stays in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Bool, Float32, Integer

from ted_core.results.decisions import Reason
from ted_core.results.manifest_writer import ROWS_PER_GROUP


class Classes:
    """Numbers for the names of classes, alike in all row groups; 0 is none."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """By number, from 1 on."""
        return tuple(self._numbers)

    def numbers(self, labels: pa.DictionaryArray) -> Integer[np.ndarray, " rows"]:
        """The number of each label, in as few bytes as the classes seen so far need."""
        known = [self._numbers.setdefault(name, len(self._numbers) + 1) for name in labels.dictionary.to_pylist()]
        codes = pc.fill_null(labels.indices, len(known)).to_numpy(zero_copy_only=False)
        return np.asarray(np.array([*known, 0], np.min_scalar_type(len(self._numbers)))[codes])


@dataclass(frozen=True)
class UsableRows:
    """The decisions' rows without the undecodable ones, in the dataset's order."""

    are_usable: Bool[np.ndarray, " rows"]
    """Which of all rows they are."""
    classes: Classes
    """What the labels are called."""
    label: Integer[np.ndarray, " usable"]
    score: Float32[np.ndarray, " usable"]
    """1 if nothing was measured: all alike."""

    def __len__(self) -> int:
        return len(self.label)


def read_usable_rows(decisions: Path) -> UsableRows:
    """Those of this file; four bytes for each, one for its usability, and one or two for its class."""
    rows, classes = pq.ParquetFile(decisions).metadata.num_rows, Classes()
    are_usable, score, label = np.empty(rows, bool), np.empty(rows, np.float32), np.empty(rows, np.uint8)
    end = last = 0
    for batch in batches(decisions, "reason", "label", "score"):
        usable = _is_usable(batch["reason"])
        start, end = end, end + len(batch)
        are_usable[start:end] = usable.to_numpy(zero_copy_only=False)
        score[start:end] = scores_of(batch)
        numbers = classes.numbers(batch["label"].filter(usable))
        first, last = last, last + len(numbers)
        label = label.astype(np.promote_types(label.dtype, numbers.dtype), copy=False)
        label[first:last] = numbers
    usable_score = score if are_usable.all() else score[are_usable]
    return UsableRows(are_usable, classes, label=label[:last], score=usable_score)


def _is_usable(reasons: pa.DictionaryArray) -> pa.BooleanArray:
    """Whether a row could be decoded; compared by its reason's number, not its words."""
    words = reasons.dictionary.to_pylist()
    number = words.index(Reason.UNDECODABLE.phrase) if Reason.UNDECODABLE.phrase in words else -1
    return pc.not_equal(reasons.indices, number)


def scores_of(batch: pa.RecordBatch) -> Float32[np.ndarray, " rows"]:
    """The rows' scores, 1 where nothing was measured."""
    return np.asarray(np.nan_to_num(batch["score"].to_numpy(), nan=1.0))


def batches(decisions: Path, *columns: str) -> Iterator[pa.RecordBatch]:
    """All rows' columns, as many rows at a time as a row group has."""
    yield from pq.ParquetFile(decisions).iter_batches(ROWS_PER_GROUP, columns=list(columns))
