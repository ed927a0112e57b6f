"""How all figures look, and how they are saved: the same results give the same file, byte for byte."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

INK, FAINT, PAPER = "#1f2430", "#8b93a1", "#ffffff"
ACCENT, PRUNED = "#d1495b", "#b9c3d0"
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "ted",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#e6e8ec",
    "grid.linewidth": 0.8,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "savefig.bbox": "tight",
    "savefig.dpi": 160,
}
NO_DATE: Mapping[str, dict[str, None]] = {".svg": {"Date": None}, ".png": {"Software": None}}


def save(figure: Figure, path: Path) -> None:
    """Write the figure without anything that changes from run to run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        figure.savefig(path, metadata=NO_DATE[path.suffix])
