"""How two selections from one dataset differ, from their manifests."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ted_core.errors import TedError
from ted_core.results.manifest import Manifest


class DifferentDatasets(TedError):
    """The two selections are not of the same dataset, so that their rows cannot be compared; compare jobs that have
    read the same data."""


@dataclass(frozen=True)
class ClassShift:
    """How many of a class two selections keep, and which share of their rows that is."""

    name: str
    kept: tuple[int, int]
    shares: tuple[float, float]

    @property
    def change(self) -> float:
        """How much larger its share is in the second."""
        return self.shares[1] - self.shares[0]


@dataclass(frozen=True)
class SelectionDifference:
    """Two selections, row by row and class by class."""

    rows: int
    """Of the dataset."""
    kept: tuple[int, int]
    kept_by_both: int
    kept_by_one: tuple[int, int]
    """Rows that only the first keeps, and only the second."""
    classes: tuple[ClassShift, ...]

    @property
    def jaccard(self) -> float:
        """The rows that both keep, as a share of those that any keeps."""
        return self.kept_by_both / max(1, self.kept_by_both + sum(self.kept_by_one))

    @property
    def jaccard_of_random_rows(self) -> float:
        """What is to be expected of as many random rows, drawn anew for each."""
        both = self.kept[0] * self.kept[1] / max(1, self.rows)
        return both / max(1.0, sum(self.kept) - both)


def difference(first: Manifest, second: Manifest) -> SelectionDifference:
    """Return how the selections differ, with the classes whose shares changed most first. Raises DifferentDatasets."""
    of_first, of_second = first.metadata.dataset, second.metadata.dataset
    if (of_first.fingerprint, of_first.rows) != (of_second.fingerprint, of_second.rows):
        raise DifferentDatasets(" and ".join(f"{one.uri} ({one.rows:,} rows)" for one in (of_first, of_second)))
    kept = len(first.row_indices), len(second.row_indices)
    both = len(np.intersect1d(first.row_indices, second.row_indices, assume_unique=True))
    shifts = sorted(_class_shifts(first, second), key=lambda shift: (-abs(shift.change), shift.name))
    return SelectionDifference(of_first.rows, kept, both, (kept[0] - both, kept[1] - both), tuple(shifts))


def _class_shifts(first: Manifest, second: Manifest) -> Iterator[ClassShift]:
    counts = _class_counts(first), _class_counts(second)
    totals = tuple(max(1, sum(of_one.values())) for of_one in counts)
    for name in counts[0] | counts[1]:
        a, b = (of_one.get(name, 0) for of_one in counts)
        yield ClassShift(name, (a, b), (a / totals[0], b / totals[1]))


def _class_counts(manifest: Manifest) -> dict[str, int]:
    """Return how many retained rows each class has; of rows with several classes the rarest counts."""
    labels = pq.read_table(manifest.path, columns=["label"])["label"].drop_null()
    pairs = pc.value_counts(labels.cast("string")).to_pylist()
    return {pair["values"]: pair["counts"] for pair in pairs}
