"""Draw what TED does with Fashion-MNIST: a histogram of the scores, and some of the images themselves."""

from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from benchmarks.harness import storage
from benchmarks.plots.style import ACCENT, PRUNED, STYLE
from benchmarks.setting import Folders, Setting, load_setting
from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.selection.prune import prune

KEEP_RATIO = 0.3
MEASURED = ("retained", "score", "margin")
CLASSES = ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
PER_CLASS, GAP, BINS = 4, 2, 50


@dataclass(frozen=True)
class PruningResult:
    """A selection and the measurements it was based on."""

    samples: Samples
    retained: Bool[np.ndarray, " samples"]
    score: Float32[np.ndarray, " samples"]
    margin: Float32[np.ndarray, " samples"]


def prune_fashion(folders: Folders) -> PruningResult:
    """Prune Fashion-MNIST to 30 % with the default plan, or read it from the results if that was done before."""
    data = load_setting(Setting("fashion_mnist", 0.0, 0), folders)
    path = folders.results / "pictures" / "fashion_mnist.npz"
    if not path.exists():
        *_, final = prune(data.train, PruningPlan(keep_ratio=KEEP_RATIO), proxy=data.proxy)
        with storage.durably(path) as unfinished:
            np.savez(unfinished, **{name: getattr(final, name) for name in MEASURED})
    with np.load(path) as arrays:
        return PruningResult(samples=data.train, **{name: arrays[name] for name in MEASURED})


def histogram(pruned: PruningResult) -> Figure:
    """Draw how many samples there are, and were kept, for each margin and each score."""
    measures = {"margin": pruned.margin, "score": pruned.score}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.1), layout="constrained")
        for axes, (name, values) in zip(figure.subplots(1, 2), measures.items(), strict=True):
            _, edges, _ = axes.hist(values, bins=BINS, color=PRUNED, label="all samples", log=True)
            axes.hist(values[pruned.retained], bins=edges.tolist(), color=ACCENT, label="those kept", log=True)
            axes.set_xlabel(name)
        figure.axes[0].set_ylabel("samples")
        figure.axes[0].set_title(f"Fashion-MNIST, {100 * KEEP_RATIO:g} % kept")
        figure.axes[0].legend(loc="upper center")
    return figure


def contact_sheet(pruned: PruningResult) -> Figure:
    """Draw some images of each class that were kept, that are redundant and that are probably mislabelled."""
    margin, kept = pruned.margin, pruned.retained
    groups = {
        "Kept: pruning others would change these most": np.where(kept, pruned.score, -np.inf),
        "Pruned: the rest of the data explains these": np.where(kept, -np.inf, margin),
        "Pruned: the rest of the data contradicts these labels": np.where(kept, -np.inf, -margin),
    }
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 2.75 * len(groups)), layout=ConstrainedLayoutEngine(h_pad=0.1))
        for axes, (title, preference) in zip(figure.subplots(len(groups), 1), groups.items(), strict=True):
            _show(axes, mosaic(pruned.samples, preference))
            axes.set_title(title, pad=20)
    return figure


def mosaic(samples: Samples, preference: Float[np.ndarray, " samples"]) -> UInt8[np.ndarray, "height width"]:
    """Return the preferred images of each class, dark on white: a column for each class, the most preferred on top."""
    order = np.argsort(-preference, kind="stable")
    columns = [order[samples.labels[order] == label][:PER_CLASS] for label in range(len(samples.classes))]
    tiles = 255 - samples.inputs[np.array(columns), 0]
    framed = np.pad(tiles, ((0, 0), (0, 0), (GAP, GAP), (GAP, GAP)), constant_values=255)
    return np.concatenate([np.concatenate(list(column)) for column in framed], axis=1)


def _show(axes: Axes, picture: UInt8[np.ndarray, "height width"]) -> None:
    width = picture.shape[1] / len(CLASSES)
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_xticks(width * (np.arange(len(CLASSES)) + 0.5), CLASSES)
    axes.set_yticks([])
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, labelsize=8, length=0, pad=2)
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)
