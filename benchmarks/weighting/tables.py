"""Two tables: what weights do to a model that is trained under them, and to what kept rows say about all rows."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean
from typing import Any

from benchmarks.harness.markdown import PERCENT, table

Row = Mapping[str, Any]
Group = Mapping[str, Sequence[Row]]
"""Rule → the rows of its seeds."""
RULES = ("full", "stratified", "ted", "ted-weighted")
KEY = ("dataset", "noise", "kept")


def groups_of(rows: Sequence[Row]) -> dict[tuple[Any, ...], Group]:
    """Group rows by dataset, noise and keep ratio, more kept rows first."""
    groups: dict[tuple[Any, ...], dict[str, list[Row]]] = {}
    for row in sorted(rows, key=lambda row: (row["dataset"], row["noise"], -row["kept"], row["seed"])):
        groups.setdefault(tuple(row[name] for name in KEY), {}).setdefault(row["rule"], []).append(row)
    return dict(groups)


def section(rows: Sequence[Row]) -> Iterator[str]:
    """Yield both tables, each below what it says in a sentence."""
    groups = groups_of(rows)
    yield "## Training under weights"
    yield (
        f"Weighted against unweighted: {_gain(groups, 'accuracy', PERCENT):+.2f} points of accuracy on average, "
        f"{_gain(groups, 'log_loss', 1):+.3f} nats of log loss, {_gain(groups, 'calibration_error', PERCENT):+.1f} "
        f"points of calibration error. {len(rows) // len(RULES)} cells."
    )
    head = ["data, wrong labels", "kept", "seeds", *(f"{rule}, accuracy" for rule in RULES)]
    head += [f"{rule}, log loss / calibration error" for rule in RULES]
    yield table(
        head, [[*_name(key, group), *_accuracies(group), *_calibrations(group)] for key, group in groups.items()]
    )
    yield "## What kept rows say about all rows"
    head = [
        "data, wrong labels",
        "kept",
        "seeds",
        "mean loss of all rows",
        "from TED's, unweighted",
        "weighted",
        "random rows",
    ]
    head += ["accuracy on all rows", "from TED's, unweighted", "weighted", "classes' shares, unweighted", "weighted"]
    yield table(head, [[*_name(key, group), *_estimates(group)] for key, group in groups.items()])


def over_seeds(group: Group, rule: str, column: str) -> float:
    """Return the mean of this column over the seeds."""
    return float(mean(row[column] for row in group[rule]))


def _gain(groups: Mapping[tuple[Any, ...], Group], column: str, unit: float) -> float:
    """Return how much higher the column is with weights than without, on average over the groups."""
    pairs = ((over_seeds(group, rule, column) for rule in ("ted-weighted", "ted")) for group in groups.values())
    return unit * mean(weighted - plain for weighted, plain in pairs)


def _name(key: tuple[Any, ...], group: Group) -> list[str]:
    dataset, noise, kept = key
    return [f"{dataset}, {noise}", f"{PERCENT * kept:.0f} %", str(len(group[RULES[0]]))]


def _accuracies(group: Group) -> list[str]:
    return [f"{PERCENT * over_seeds(group, rule, 'accuracy'):.1f}" for rule in RULES]


def _calibrations(group: Group) -> list[str]:
    loss, error = ([over_seeds(group, rule, name) for rule in RULES] for name in ("log_loss", "calibration_error"))
    return [f"{one:.2f} / {PERCENT * other:.1f}" for one, other in zip(loss, error, strict=True)]


def _estimates(group: Group) -> list[str]:
    loss, accuracy = (
        {rule: over_seeds(group, rule, name) for rule in RULES} for name in ("mean_loss", "mean_accuracy")
    )
    return [
        f"{loss['full']:.2f}",
        *(f"{PERCENT * (loss[rule] / loss['full'] - 1):+.0f} %" for rule in ("ted", "ted-weighted", "stratified")),
        f"{PERCENT * accuracy['full']:.1f}",
        *(f"{PERCENT * (accuracy[rule] - accuracy['full']):+.1f}" for rule in ("ted", "ted-weighted")),
        *(f"{PERCENT * over_seeds(group, rule, 'class_distance'):.1f}" for rule in ("ted", "ted-weighted")),
    ]
