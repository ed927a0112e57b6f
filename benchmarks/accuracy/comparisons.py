"""Two methods compared, seed by seed, in one experiment at one keep ratio."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.accuracy.experiments import Experiment
from benchmarks.accuracy.tables import TED
from benchmarks.datasets import BENCHMARKS
from benchmarks.harness.markdown import PERCENT
from ted_core.evaluation.intervals import Interval


@dataclass(frozen=True)
class PairedComparison:
    """How far one method leads another."""

    experiment: Experiment
    kept: float
    other: str
    interval: Interval

    @property
    def lead(self) -> float:
        """The mean difference in accuracy, in percentage points."""
        return PERCENT * self.interval.mean

    @property
    def lossless(self) -> bool:
        """Whether the whole interval lies above minus the dataset's margin."""
        return self.interval.lossless(BENCHMARKS[self.experiment.dataset].margin)

    @property
    def where(self) -> str:
        """Dataset, noise and keep ratio in words."""
        noise = f" {PERCENT * self.experiment.noise:g} % noise" if self.experiment.noise else ""
        return f"{self.experiment.dataset}{noise} {PERCENT * self.kept:g} %"

    def __str__(self) -> str:
        return f"{self.where}: {self.other} {self.lead:+.2f}"


def compare(experiments: Sequence[Experiment], others: Sequence[str], *, ours: str = TED) -> list[PairedComparison]:
    """Compare our method with these wherever both were run."""
    return list(_pairs(experiments, others, ours))


def _pairs(experiments: Sequence[Experiment], others: Sequence[str], ours: str) -> Iterator[PairedComparison]:
    for experiment in experiments:
        for kept in experiment.kept:
            for other in others:
                if interval := experiment.between(ours, other, kept):
                    yield PairedComparison(experiment, kept, other, interval)
