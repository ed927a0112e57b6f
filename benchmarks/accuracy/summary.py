"""Count over all experiments where TED leads, and list where it loses."""

from collections.abc import Iterator, Sequence
from statistics import mean

from benchmarks.accuracy.cells import FULL
from benchmarks.accuracy.comparisons import PairedComparison, compare
from benchmarks.accuracy.experiments import Experiment
from benchmarks.accuracy.tables import SELECTORS
from benchmarks.harness.markdown import table
from ted_core.evaluation.intervals import CONFIDENCE

RANDOM = ("random", "stratified")
OTHERS = (FULL, *SELECTORS, "dynamic-random", "infobatch", "full-short", "ted-weighted")


def summary(experiments: Sequence[Experiment]) -> Iterator[str]:
    """Yield a line for each method that TED was compared with."""
    compared = {other: compare(experiments, [other]) for other in OTHERS}
    head = ["TED against", "cells", "better", "worse", "mean lead, points", "farthest behind"]
    yield table(head, [_line(name, pairs) for name, pairs in compared.items() if pairs])


def _line(name: str, pairs: Sequence[PairedComparison]) -> list[str]:
    better, worse = (sum(getattr(pair.interval, side) for pair in pairs) for side in ("better", "worse"))
    farthest = min(pairs, key=lambda pair: pair.lead)
    lead = mean(pair.lead for pair in pairs)
    return [
        name,
        str(len(pairs)),
        str(better),
        f"**{worse}**",
        f"{lead:+.2f}",
        f"{farthest.where}: {farthest.lead:+.2f}",
    ]


def losses(experiments: Sequence[Experiment]) -> Iterator[str]:
    """Yield where TED is not lossless, where random rows end above it, and which methods surely do."""
    yield from _against_all_rows(compare(experiments, [FULL]))
    yield _against_random_rows(compare(experiments, RANDOM))
    yield _against_others(compare(experiments, [name for name in SELECTORS if name not in RANDOM]))


def _against_all_rows(pairs: Sequence[PairedComparison]) -> Iterator[str]:
    worse = [pair for pair in pairs if pair.interval.worse and not pair.lossless]
    unsure = [pair for pair in pairs if not pair.interval.worse and not pair.lossless]
    yield (
        f"- **All rows**: pruning cost accuracy, with the whole interval, in {len(worse)} of {len(pairs)} cells: "
        f"{_places(worse)}. In {len(unsure)} others it was not shown to be lossless: {_places(unsure)}."
    )
    better = _lossless_elsewhere([*worse, *unsure])
    yield f"- **Another method was lossless** in {len(better)} of these cells: {'; '.join(better) or 'none'}."


def _against_random_rows(pairs: Sequence[PairedComparison]) -> str:
    below = [pair for pair in pairs if pair.lead < 0]
    return (
        f"- **Random rows**, uniform or within classes, end above TED's in {len(below)} of {len(pairs)} comparisons, "
        f"with the whole interval in {sum(pair.interval.worse for pair in below)}: {_names(below)}."
    )


def _against_others(pairs: Sequence[PairedComparison]) -> str:
    lost = [pair for pair in pairs if pair.interval.worse]
    return (
        f"- **Other methods** end above TED with the whole interval in {len(lost)} of {len(pairs)} comparisons, where "
        f"equals would in {(1 - CONFIDENCE) / 2 * len(pairs):.1f} by chance: {_names(lost)}."
    )


def _lossless_elsewhere(cells: Sequence[PairedComparison]) -> list[str]:
    """Name the cells in which other methods were lossless, and these methods."""
    methods = {
        cell.where: [
            name
            for name in SELECTORS
            for pair in compare([cell.experiment], [FULL], ours=name)
            if pair.kept == cell.kept and pair.lossless
        ]
        for cell in cells
    }
    return [f"{where} ({', '.join(names)})" for where, names in methods.items() if names]


def _places(pairs: Sequence[PairedComparison]) -> str:
    return "; ".join(f"{pair.where} {pair.lead:+.2f}" for pair in _sorted(pairs)) or "none"


def _names(pairs: Sequence[PairedComparison]) -> str:
    return "; ".join(map(str, _sorted(pairs))) or "none"


def _sorted(pairs: Sequence[PairedComparison]) -> list[PairedComparison]:
    return sorted(pairs, key=lambda pair: pair.lead)
