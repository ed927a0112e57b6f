"""Write one experiment as Markdown: accuracies, and what may be concluded from them."""

from collections.abc import Callable, Iterator, Sequence
from statistics import mean

from benchmarks.accuracy.cells import FULL
from benchmarks.accuracy.experiments import Experiment
from benchmarks.datasets import BENCHMARKS
from benchmarks.harness.markdown import NOTHING, PERCENT, collapsible, percent, points, table
from ted_core.evaluation.intervals import Interval

TED = "ted"
SELECTORS = ["random", "stratified", "el2n", "grand", "forgetting", "ccs", "dual", "aum", "tdds", "unseen"]
"""The baselines that hand over a fixed set of rows, as TED does."""
BUDGETS = {
    "epochs": "equal epochs",
    "steps": "as many steps as full data",
    "work": "what a full run would have left after the training that the selection took",
}


def title(experiment: Experiment) -> str:
    """Describe the experiment in words."""
    noise = f"{PERCENT * experiment.noise:g} % label noise" if experiment.noise else "clean labels"
    proxy = BENCHMARKS[experiment.dataset].proxy
    rows, epochs = f"{experiment.rows:,} rows", f"{experiment.epochs} epochs"
    epochs += f" in {experiment.precision}" if experiment.precision else ""
    return f"{experiment.dataset}, {noise} ({rows}, `{proxy}`, {epochs}, {BUDGETS[experiment.budget]})"


def _head(experiment: Experiment) -> list[str]:
    return [f"{PERCENT * kept:g} % kept" for kept in experiment.kept]


def accuracies(experiment: Experiment, methods: Sequence[str]) -> str:
    """Table test accuracies by method and keep ratio; the best mean of each column, full data aside, is bold."""
    present = [method for method in methods if method in experiment.methods]
    best = {kept: experiment.best([m for m in present if m != FULL], kept) for kept in experiment.kept}

    def cell(method: str, kept: float) -> str:
        text = percent(experiment.values(method, kept), of=len(experiment.seeds))
        return f"**{text}**" if method == best[kept] else text

    return _by_method("test accuracy, %", experiment, present, cell)


def _by_method(corner: str, experiment: Experiment, methods: Sequence[str], cell: Callable[[str, float], str]) -> str:
    rows = ([method, *(cell(method, kept) for kept in experiment.kept)] for method in methods)
    return table([corner, *_head(experiment)], rows)


def conclusions(experiment: Experiment) -> str:
    """Say what holds for TED at each keep ratio, its losses as plainly as its wins."""
    margin = BENCHMARKS[experiment.dataset].margin
    head = ["ted's lead in points, 95 % interval", *_head(experiment)]
    lines: dict[str, Callable[[float], str]] = {
        "over full data": lambda kept: points(experiment.between(TED, FULL, kept)),
        f"lossless (above -{PERCENT * margin:g})": lambda kept: _lossless(experiment.between(TED, FULL, kept), margin),
        "over random": lambda kept: _lead_in_words(experiment.between(TED, "random", kept)),
        "over stratified": lambda kept: _lead_in_words(experiment.between(TED, "stratified", kept)),
        "over the best rival": lambda kept: _over_best(experiment, SELECTORS, kept),
        "**worse than**": lambda kept: _names(experiment, kept, "worse"),
        "better than": lambda kept: _names(experiment, kept, "better"),
    }
    return table(head, ([name, *(line(kept) for kept in experiment.kept)] for name, line in lines.items()))


def _lossless(interval: Interval | None, margin: float) -> str:
    return NOTHING if interval is None else "yes" if interval.lossless(margin) else "no"


def _lead_in_words(interval: Interval | None) -> str:
    word = "" if interval is None else " better" if interval.better else " **worse**" if interval.worse else ""
    return points(interval) + word


def _over_best(experiment: Experiment, methods: Sequence[str], kept: float) -> str:
    best = experiment.best(methods, kept)
    return f"{points(experiment.between(TED, best, kept))} {best}" if best else NOTHING


def differing_baselines(experiment: Experiment, kept: float, side: str) -> list[str]:
    """Return the baselines that TED is ``better`` or ``worse`` than, with the whole interval."""
    intervals = {baseline: experiment.between(TED, baseline, kept) for baseline in SELECTORS}
    return [baseline for baseline, interval in intervals.items() if interval and getattr(interval, side)]


def _names(experiment: Experiment, kept: float, side: str) -> str:
    return ", ".join(differing_baselines(experiment, kept, side)) or NOTHING


def details(experiment: Experiment) -> str:
    """Table the worst class, agreement between seeds and, under noise, what became of the flipped labels."""

    def cell(method: str, kept: float) -> str:
        agreement = experiment.agreement(method, kept)
        facts = [percent([mean(worst)]) if (worst := experiment.values(method, kept, "worst_class_accuracy")) else ""]
        facts += [NOTHING if agreement is None else f"{agreement:.2f}"]
        if experiment.noise:
            facts += [percent([mean(flips)]) if (flips := experiment.values(method, kept, "flipped_kept")) else ""]
        return " / ".join(facts)

    head = "worst class, % / Jaccard of one seed's set with the next's"
    head += " / flipped labels among the retained, %" if experiment.noise else ""
    return f"{head}\n\n" + _by_method("method", experiment, experiment.methods, cell)


def section(experiment: Experiment) -> Iterator[str]:
    """Yield everything about one experiment: the accuracies, and the rest for those who unfold it."""
    yield f"### {title(experiment)}"
    yield accuracies(experiment, experiment.methods)
    if TED in experiment.methods:
        yield collapsible("TED's lead, with intervals", conclusions(experiment))
    yield collapsible("Worst class, agreement over seeds", details(experiment))
