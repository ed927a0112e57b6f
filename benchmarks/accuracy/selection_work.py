"""What selecting costs by arithmetic; ``benchmarks.cost`` measures time, on a quiet machine."""

from collections.abc import Iterator, Sequence
from statistics import mean

from benchmarks.accuracy.experiments import Experiment
from benchmarks.accuracy.overview import KEPT
from benchmarks.accuracy.tables import SELECTORS, TED
from benchmarks.harness.markdown import NOTHING, PERCENT, table
from ted_core.selection.workload import row_work

METHODS = (*SELECTORS, TED)


def work_of_methods(experiments: Sequence[Experiment]) -> str:
    """Table the work of every method's selection in full training runs, the mean over the experiments."""
    present = [name for name in METHODS if any(name in experiment.methods for experiment in experiments)]
    head = ["selection", *(f"{PERCENT * kept:g} % kept" for kept in KEPT)]
    return table(head, ([name, *_line(experiments, name)] for name in present))


def _line(experiments: Sequence[Experiment], method: str) -> Iterator[str]:
    for kept in KEPT:
        runs = [run for experiment in experiments for run in work_in_runs(experiment, method, kept)]
        yield f"{mean(runs):.2f}" if runs else NOTHING


def work_in_runs(experiment: Experiment, method: str, kept: float) -> list[float]:
    """Return the work of every seed's selection, a measured row counted as a third of one trained on."""
    trained, measured = (experiment.values(method, kept, f"rows_{what}_selecting") for what in ("trained", "measured"))
    full_run = experiment.rows * experiment.epochs
    return [row_work(*visits) / full_run for visits in zip(trained, measured, strict=True)]
