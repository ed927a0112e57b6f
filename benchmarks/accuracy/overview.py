"""What pruning gains and loses against training on all rows, on every dataset and on average."""

from collections.abc import Iterator, Sequence
from itertools import product
from statistics import mean

from benchmarks.accuracy.cells import FULL
from benchmarks.accuracy.comparisons import PairedComparison, compare
from benchmarks.accuracy.experiments import Experiment
from benchmarks.accuracy.tables import TED
from benchmarks.harness.markdown import NOTHING, PERCENT, percent, signed, table

KEPT = (0.7, 0.6, 0.3)
METHODS = {TED: "TED", "random": "random"}


def overview(experiments: Sequence[Experiment]) -> Iterator[str]:
    """Yield both tables."""
    yield on_average(experiments)
    yield on_every_dataset(experiments)


def on_average(experiments: Sequence[Experiment]) -> str:
    """Table, for each share of noise and keep ratio, how far methods end from all rows and where they are lossless."""
    head = ["", *(f"{name}: {what}" for name in METHODS.values() for what in ("mean", "lowest", "lossless on"))]
    levels = sorted({experiment.noise for experiment in experiments})
    lines = ([_labels(noise, kept), *_averages(experiments, noise, kept)] for noise, kept in product(levels, KEPT))
    return table(head, lines)


def _labels(noise: float, kept: float) -> str:
    labels = f"{PERCENT * noise:g} % wrong labels" if noise else "clean labels"
    return f"{labels}, {PERCENT * kept:g} % kept"


def _averages(experiments: Sequence[Experiment], noise: float, kept: float) -> Iterator[str]:
    alike = [experiment for experiment in experiments if experiment.noise == noise]
    for method in METHODS:
        pairs = [pair for pair in compare(alike, [FULL], ours=method) if pair.kept == kept]
        yield from _facts(pairs) if pairs else [NOTHING] * 3


def _facts(pairs: Sequence[PairedComparison]) -> Iterator[str]:
    lowest = min(pairs, key=lambda pair: pair.lead)
    yield signed(mean(pair.lead for pair in pairs))
    yield f"{signed(lowest.lead)} ({lowest.experiment.dataset})"
    yield f"{sum(pair.lossless for pair in pairs)} of {len(pairs)}"


def on_every_dataset(experiments: Sequence[Experiment]) -> str:
    """Table the accuracy with all rows, and how far methods end from it; in bold where that is lossless."""
    head = ["data", "rows", "seeds", "all rows, %"]
    head += [f"{PERCENT * kept:g} %: {name}" for kept in KEPT for name in METHODS.values()]
    return table(head, map(_line, experiments))


def _line(experiment: Experiment) -> list[str]:
    pairs = {(kept, method): _from_all_rows(experiment, kept, method) for kept in KEPT for method in METHODS}
    noise = f", {PERCENT * experiment.noise:g} % wrong" if experiment.noise else ""
    size = [f"{experiment.rows:,}", str(len(experiment.values(TED, experiment.kept[0])))]
    whole = percent(experiment.values(FULL, 1))
    return [f"{experiment.dataset}{noise}", *size, whole, *map(_difference, pairs.values())]


def _from_all_rows(experiment: Experiment, kept: float, method: str) -> PairedComparison | None:
    return next((pair for pair in compare([experiment], [FULL], ours=method) if pair.kept == kept), None)


def _difference(pair: PairedComparison | None) -> str:
    if pair is None:
        return NOTHING
    return f"**{signed(pair.lead)}**" if pair.lossless else signed(pair.lead)
