"""Random numbers that are spread evenly within every class and every stretch of an order, in linear time.

A global sort would put the samples in order; a histogram does as well. The strata are the classes, each cut into narrow
intervals of the order: counting their samples tells where each stratum begins, and within one the samples follow each
other as the dataset's rows do. Histograms of parts of the data add up, so parts may be numbered apart.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int64

from ted_core.random_streams import Stream, stream_rng
from ted_core.selection.sampling.groups import take_places
from ted_core.selection.sampling.parts import parts

GOLDEN = (5**0.5 - 1) / 2
SMALLEST_NUMBER = 1e-12
MOST_INTERVALS, MOST_STRATA = 1 << 12, 1 << 20
"""Of one class, and of all: 4,096 intervals are 0.0005 wide, and a million counters take 8 MiB."""

SampleLabels = Int64[np.ndarray, " samples"]
Order = Float[np.ndarray, " samples"]
PerStratum = Int64[np.ndarray, " strata"]


@dataclass(frozen=True)
class Strata:
    """The classes, numbered from 0, each cut into equally wide intervals of an order between -1 and 1."""

    classes: int

    @property
    def intervals(self) -> int:
        """Of each class."""
        return max(min(MOST_INTERVALS, MOST_STRATA // self.classes), 1)

    def of(self, labels: SampleLabels, order: Order) -> Int64[np.ndarray, " samples"]:
        """Each sample's stratum: by class, then along the order; what lies outside it belongs to the outermost."""
        interval = ((order + 1) * (self.intervals / 2)).astype(np.int64)
        return labels * self.intervals + np.clip(interval, 0, self.intervals - 1)

    def histogram(self, labels: SampleLabels, order: Order) -> PerStratum:
        """How many samples each stratum has. Those of parts of the data add up to that of all."""
        counts = np.zeros(self.classes * self.intervals, np.int64)
        for part in parts(len(labels)):
            counts += np.bincount(self.of(labels[part], order[part]), minlength=len(counts))
        return counts

    def numbers(
        self, labels: SampleLabels, order: Order, *, first: PerStratum, start: float
    ) -> Float32[np.ndarray, " samples"]:
        """The golden-ratio sequence from ``start``, along the strata; in each, from its ``first`` place, row by row.

        If these are all samples, strata begin where the ones before them end: see ``first_places``. A part of the data
        begins in each stratum behind the samples of the parts before it.
        """
        numbers, following = np.empty(len(labels), np.float32), first.copy()
        for part in parts(len(labels)):
            steps = take_places(self.of(labels[part], order[part]), following) * GOLDEN + start
            numbers[part] = np.maximum(steps - np.floor(steps), SMALLEST_NUMBER)
        return numbers


def low_discrepancy_numbers(labels: SampleLabels, order: Order, *, seed: int) -> Float32[np.ndarray, " samples"]:
    """A number in (0, 1] for each sample, evenly spread within every class and every stretch of the order.

    Along the samples by class, then by ``order`` (from hard to easy), the numbers follow the golden-ratio sequence, any
    stretch of which is spread almost as evenly as can be (Weyl 1916). With equal scores, what is retained is therefore
    a random sample that is stratified by class and along the order.
    """
    strata = Strata(int(labels.max()) + 1)
    first = first_places(strata.histogram(labels, order))
    return strata.numbers(labels, order, first=first, start=stream_rng(seed, Stream.POISSON_SAMPLING).random())


def first_places(counts: PerStratum) -> PerStratum:
    """Where each stratum begins, if all are put one behind the other."""
    return np.asarray(np.cumsum(counts) - counts)
