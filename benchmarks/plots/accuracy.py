"""Plot test accuracy against the share of rows kept, with a panel for each share of label noise."""

from collections.abc import Mapping, Sequence
from statistics import mean

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.accuracy.cells import FULL
from benchmarks.accuracy.experiments import Experiment
from benchmarks.plots.style import ACCENT, FAINT, INK, STYLE
from ted_core.evaluation.intervals import half_width

LINES: Mapping[str, tuple[str, str, float]] = {
    "el2n": ("EL2N", "#c9a227", 1.3),
    "dual": ("DUAL", "#7b5ea7", 1.3),
    "ccs": ("CCS", "#3f88c5", 1.3),
    "random": ("random", FAINT, 1.8),
    "ted": ("TED", ACCENT, 2.4),
}
"""Method → name, colour and width; the last is drawn on top."""
IN_SIGHT = (FULL, "random", "ted")
MARGIN = 0.12
"""How far the axis reaches beyond what must be in sight, as a share of what that spans; others may leave the panel."""
PERCENT = 100
TITLES = {
    "fashion_mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10",
    "ag_news": "AG News",
    "ag_news_minilm": "AG News, MiniLM",
    "sst2": "SST-2",
    "sst2_minilm": "SST-2, MiniLM",
    "adult": "Adult",
    "letter": "Letter recognition",
    "digits": "Digits",
    "synthetic": "Synthetic",
}


def figure_of(experiments: Sequence[Experiment]) -> Figure:
    """Draw one dataset: its experiments side by side, clean labels first."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.2 * len(experiments), 3.5), layout="constrained")
        panels = figure.subplots(1, len(experiments), squeeze=False)[0]
        for axes, experiment in zip(panels, experiments, strict=True):
            _draw(axes, experiment)
        panels[0].set_ylabel("test accuracy, %")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles[::-1], labels[::-1], loc="outside upper center", ncols=len(labels), handlelength=1.6)
    return figure


def _draw(axes: Axes, experiment: Experiment) -> None:
    noise = f"{PERCENT * experiment.noise:g} % of the labels wrong" if experiment.noise else "clean labels"
    axes.set_title(f"{TITLES[experiment.dataset]}, {noise}")
    _full_data(axes, experiment)
    for method in (method for method in LINES if method in experiment.methods):
        _line(axes, experiment, method)
    axes.set_xlabel("rows kept, %")
    axes.set_xticks([PERCENT * kept for kept in experiment.kept], [f"{PERCENT * kept:g}" for kept in experiment.kept])
    axes.set_ylim(*_limits(experiment))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=False))


def _full_data(axes: Axes, experiment: Experiment) -> None:
    values = [PERCENT * value for value in experiment.values(FULL, 1)]
    if not values:
        return
    axes.axhline(mean(values), color=INK, linewidth=1, linestyle=(0, (5, 3)), label="all rows")
    if np.isfinite(half_width(values)):
        middle, width = mean(values), half_width(values)
        axes.axhspan(middle - width, middle + width, color=INK, alpha=0.06, linewidth=0)


def _line(axes: Axes, experiment: Experiment, method: str) -> None:
    """Draw the means, with a band for the 95 % interval of the methods that must stay in sight."""
    name, colour, width = LINES[method]
    values = {kept: [PERCENT * value for value in experiment.values(method, kept)] for kept in experiment.kept}
    kept = [share for share in values if values[share]]
    middle = np.array([mean(values[share]) for share in kept])
    band = np.nan_to_num([half_width(values[share]) for share in kept], posinf=0)
    x = [PERCENT * share for share in kept]
    if method in IN_SIGHT:
        axes.fill_between(x, middle - band, middle + band, color=colour, alpha=0.15, linewidth=0)
    axes.plot(x, middle, color=colour, linewidth=width, marker="o", markersize=2 + width, label=name)


def _limits(experiment: Experiment) -> tuple[float, float]:
    in_sight = (experiment.values(method, kept) for method in IN_SIGHT for kept in experiment.kept)
    means = [PERCENT * mean(values) for values in in_sight if values]
    highest = [PERCENT * mean(v) for m in LINES for kept in experiment.kept if (v := experiment.values(m, kept))]
    low, high = min(means), max(means + highest)
    return low - MARGIN * (high - low), high + MARGIN * (high - low)
