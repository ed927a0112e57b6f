"""Draw pictures of docs/how-ted-works.md: both kinds of score, and the steps of a job.

``python -m benchmarks.plots.explanation FOLDER`` draws them again; they depend on no measurement.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from benchmarks.plots.style import ACCENT, FAINT, INK, STYLE, save
from ted_core.selection.distance import distance, turning_point
from ted_core.selection.margin import cut_margin, margin_score

EXPONENTS = {0.25: ("#2a6f97", 0.09), 1.0: (ACCENT, 0.2), 4.0: ("#6c8e3f", 0.45)}
"""For each exponent its colour and where, along the performance, its name stands."""
KEEP_RATIOS = {0.7: ("#2a6f97", -0.72), 0.3: (ACCENT, -0.45), 0.1: ("#6c8e3f", -0.06)}
"""For each keep ratio its colour and where, along the margin, its name stands."""
REGIONS = ((0.02, "hard or\nmislabelled", "left"), (0.5, "the data decide", "center"), (0.98, "redundant", "right"))
BOXES = (
    ("all rows", "two halves,\ndrawn by the seed"),
    ("twins train", "each on the retained\nrows of one half"),
    ("rows measured", "each by the twin that\nhas not seen it"),
    ("rows drawn", "in proportion to\ntheir scores"),
    ("manifest", "the rows that the\nlast round kept"),
)
"""Heading and explanation of every step."""
AGAIN = (3, 1)
"""The steps between which a round goes back."""


def score_curves() -> Figure:
    """Draw the score over the performance on unseen rows, for a small, a medium and a large q, with equal peaks."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 2.9))
        axes = figure.subplots()
        a = np.linspace(0, 1, 401)
        for q, (colour, place) in EXPONENTS.items():
            peak = distance(np.array([turning_point(q)]), q)
            axes.plot(a, distance(a, q) / peak, color=colour)
            height = float(distance(np.array([place]), q)[0] / peak[0])
            axes.text(place + 0.015, height - 0.1, f"q = {q:g}", color=colour)
        for place, words, side in REGIONS:
            axes.text(place, 1.2, words, ha=side, va="center", color=FAINT)
        axes.set(xlim=(0, 1), ylim=(0, 1.32), yticks=[0, 0.5, 1], ylabel="chance to stay, of the most")
        axes.set_xlabel("a: probability of the row's label, by a model that has not seen the row")
    return figure


def margin_curves() -> Figure:
    """Draw the score over the margin where no label looks wrong, for three keep ratios."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 2.9))
        axes = figure.subplots()
        margin = np.linspace(-1, 1, 401)
        scores = {kept: margin_score(margin, cut=cut_margin(margin, share=0, keep_ratio=kept)) for kept in KEEP_RATIOS}
        peak = max(score.max() for score in scores.values())
        for kept, (colour, place) in KEEP_RATIOS.items():
            axes.plot(margin, scores[kept] / peak, color=colour)
            height = float(np.interp(place, margin, scores[kept])) / peak
            axes.text(place - 0.015, height, f"{100 * kept:g} % kept", color=colour, ha="right")
        for place, words, side in REGIONS:
            axes.text(2 * place - 1, 1.2, words, ha=side, va="center", color=FAINT)
        axes.set(xlim=(-1, 1), ylim=(0, 1.32), yticks=[0, 0.5, 1], ylabel="chance to stay, of the most")
        axes.set_xlabel("m: probability of the row's label minus that of the likeliest other class")
    return figure


def loop_diagram() -> Figure:
    """Draw the steps of a job from left to right, and the arrow back that a round takes."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.8, 1.9))
        axes = figure.subplots()
        axes.set(xlim=(-0.55, len(BOXES) - 0.45), ylim=(-0.78, 0.4))
        axes.axis("off")
        for place, (heading, words) in enumerate(BOXES):
            _draw_step(axes, place, heading, words)
        for place in range(1, len(BOXES)):
            axes.annotate("", (place - 0.42, 0), (place - 0.58, 0), arrowprops={"arrowstyle": "-|>", "color": INK})
        _draw_round(axes)
    return figure


def _draw_step(axes: Axes, place: int, heading: str, words: str) -> None:
    colour = ACCENT if heading == "rows measured" else FAINT
    box = FancyBboxPatch((place - 0.4, -0.32), 0.8, 0.64, boxstyle="round,pad=0.02", fc="white", ec=colour, lw=1.2)
    axes.add_patch(box)
    axes.text(place, 0.17, heading, ha="center", va="center", fontsize=7.6, weight="bold")
    axes.text(place, -0.12, words, ha="center", va="center", fontsize=6.6)


def _draw_round(axes: Axes) -> None:
    start, end = AGAIN
    bend = {"arrowstyle": "-|>", "color": INK, "connectionstyle": "arc3,rad=-0.18"}
    axes.annotate("", (end, -0.36), (start, -0.36), arrowprops=bend)
    words = "every round: a few rows fewer; pruned rows may come back"
    axes.text((start + end) / 2, -0.68, words, ha="center", fontsize=7, color=FAINT)


def main() -> None:
    """Write the pictures into the folder."""
    folder = Path(sys.argv[1])
    save(margin_curves(), folder / "margin-score.svg")
    save(score_curves(), folder / "score.svg")
    save(loop_diagram(), folder / "loop.svg")


if __name__ == "__main__":
    main()
