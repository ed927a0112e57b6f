"""Count over all experiments where TED wins, and list where it loses."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import mean

from benchmarks.accuracy.cells import FULL
from benchmarks.accuracy.experiments import Experiment
from benchmarks.accuracy.tables import FIXED, SELECTORS, TED
from benchmarks.datasets import BENCHMARKS
from benchmarks.harness.markdown import PERCENT, table
from benchmarks.verdicts import CONFIDENCE, Interval


@dataclass(frozen=True)
class Comparison:
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
) -> list[Comparison]:
    """Compare TED with these methods wherever both were run."""
    asked = ((one, kept, other) for one in experiments for kept in one.kept for other in others(one, kept))
    found = ((one, kept, other, one.between(TED, other, kept)) for one, kept, other in asked)
    return [Comparison(one, kept, other, interval) for one, kept, other, interval in found if interval]


def _best_fixed(experiment: Experiment, kept: float) -> list[str]:
    best = experiment.best(FIXED, kept)
    return [best] if best else []


def _line(name: str, found: Sequence[Comparison]) -> list[str]:
    better, worse = ([one for one in found if getattr(one.interval, side)] for side in ("better", "worse"))
    lead = f"{PERCENT * mean(one.interval.mean for one in found):+.2f}"
    return [name, str(len(found)), str(len(better)), f"**{len(worse)}**", lead, str(min(found, key=_lead))]


def _lead(comparison: Comparison) -> float:
    return comparison.interval.mean


def lines(experiments: Sequence[Experiment]) -> Iterator[list[str]]:
    """Yield one line for each method or group of methods that TED was compared with."""
    for other in (FULL, *SELECTORS, "dynamic-random", "full-short"):
        if found := comparisons(experiments, lambda _, __, other=other: [other]):  # type: ignore[misc]
            yield _line(other, found)
    if found := comparisons(experiments, _best_fixed):
        yield _line("the best fixed q, known afterwards", found)


def lossless(experiments: Sequence[Experiment]) -> str:
    """Say in how many cells pruning cost nothing that matters."""
    found = comparisons(experiments, lambda _, __: [FULL])
    held = [one for one in found if one.interval.lossless(BENCHMARKS[one.experiment.dataset].margin)]
    names = ", ".join(f"{one.experiment.dataset} {one.experiment.noise:g} {one.kept:g}" for one in held)
    return f"Lossless in {len(held)} of {len(found)} cells (data set, noise, kept): {names or 'none'}."


def losses(experiments: Sequence[Experiment]) -> str:
    """Return every comparison with a rival that TED lost with the whole interval."""
    found = comparisons(experiments, lambda _, __: SELECTORS)
    lost = [one for one in found if one.interval.worse]
    chance = (1 - CONFIDENCE) / 2 * len(found)
    names = "; ".join(map(str, lost)) or "none"
    return (
        f"Of {len(found)} comparisons with rivals TED lost {len(lost)} with the whole interval, where equals would "
        f"lose {chance:.0f} by chance (data set, kept, rival, points): {names}."
    )


def summary(experiments: Sequence[Experiment]) -> Iterator[str]:
    """Yield the counts, then the losses."""
    head = ["ted against", "cells", "better", "worse", "mean lead, points", "farthest behind"]
    yield table(head, lines(experiments))
    yield lossless(experiments)
    yield losses(experiments)
