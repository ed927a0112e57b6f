"""Count over all experiments where TED wins, and list where it loses."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import mean

from benchmarks.accuracy.cells import FULL
from benchmarks.accuracy.experiments import Experiment
from benchmarks.accuracy.tables import FIXED, SELECTORS, TED
from benchmarks.datasets import BENCHMARKS
from benchmarks.harness.markdown import PERCENT, table
from benchmarks.intervals import CONFIDENCE, Interval


@dataclass(frozen=True)
class PairedComparison:
    """TED compared with one other method, in one experiment at one keep ratio."""

    experiment: Experiment
    kept: float
    other: str
    interval: Interval

    def __str__(self) -> str:
        noise = f" {PERCENT * self.experiment.noise:g} % noise" if self.experiment.noise else ""
        where = f"{self.experiment.dataset}{noise} {PERCENT * self.kept:g} %"
        return f"{where}: {self.other} {PERCENT * self.interval.mean:+.1f}"


def comparisons(
    experiments: Sequence[Experiment], others: Callable[[Experiment, float], Sequence[str]]
) -> list[PairedComparison]:
    """Compare TED with these methods wherever both were run."""
    return [
        PairedComparison(experiment, kept, other, interval)
        for experiment in experiments
        for kept in experiment.kept
        for other in others(experiment, kept)
        if (interval := experiment.between(TED, other, kept))
    ]


def _best_fixed(experiment: Experiment, kept: float) -> list[str]:
    best = experiment.best(FIXED, kept)
    return [best] if best else []


def _line(name: str, pairs: Sequence[PairedComparison]) -> list[str]:
    better, worse = (sum(getattr(pair.interval, side) for pair in pairs) for side in ("better", "worse"))
    lead = f"{PERCENT * mean(map(_lead, pairs)):+.2f}"
    return [name, str(len(pairs)), str(better), f"**{worse}**", lead, str(min(pairs, key=_lead))]


def _lead(comparison: PairedComparison) -> float:
    return comparison.interval.mean


def lines(experiments: Sequence[Experiment]) -> Iterator[list[str]]:
    """Yield one line for each method or group of methods that TED was compared with."""
    for other in (FULL, *SELECTORS, "dynamic-random", "infobatch", "full-short", "ted-weighted"):
        if pairs := comparisons(experiments, lambda _, __, other=other: [other]):  # type: ignore[misc]
            yield _line(other, pairs)
    if pairs := comparisons(experiments, _best_fixed):
        yield _line("the best fixed q, known afterwards", pairs)


def lossless(experiments: Sequence[Experiment]) -> str:
    """Say in how many cells pruning cost nothing that matters."""
    pairs = comparisons(experiments, lambda _, __: [FULL])
    held = [pair for pair in pairs if pair.interval.lossless(BENCHMARKS[pair.experiment.dataset].margin)]
    names = ", ".join(f"{pair.experiment.dataset} {pair.experiment.noise:g} {pair.kept:g}" for pair in held)
    return f"Lossless in {len(held)} of {len(pairs)} cells (data set, noise, kept): {names or 'none'}."


def losses(experiments: Sequence[Experiment]) -> str:
    """Return every comparison with a baseline that TED lost with the whole interval."""
    pairs = comparisons(experiments, lambda _, __: SELECTORS)
    lost = [pair for pair in pairs if pair.interval.worse]
    expected = (1 - CONFIDENCE) / 2 * len(pairs)
    names = "; ".join(map(str, lost)) or "none"
    return (
        f"Of {len(pairs)} comparisons with rivals TED lost {len(lost)} with the whole interval, where equals would "
        f"lose {expected:.0f} by chance (data set, kept, rival, points): {names}."
    )


def summary(experiments: Sequence[Experiment]) -> Iterator[str]:
    """Yield the counts, then the losses."""
    head = ["ted against", "cells", "better", "worse", "mean lead, points", "farthest behind"]
    yield table(head, lines(experiments))
    yield lossless(experiments)
    yield losses(experiments)
