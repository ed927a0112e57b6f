"""Accuracies at equal row visits, in both readings, and TED's lead over the rivals that prune while they train."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean
from typing import Any

from benchmarks.dynamic.methods import RIVALS, TED
from benchmarks.harness.markdown import NOTHING, PERCENT, percent, table
from ted_core.evaluation.intervals import Interval, difference

Row = Mapping[str, Any]
Cells = Mapping[tuple[str, int], Row]
"""(method, seed) → its row."""
FULL = "full"
OPPONENTS = [name for name in RIVALS if name != FULL]


def cells_of(rows: Sequence[Row], *, counted: bool) -> dict[tuple[Any, ...], Cells]:
    """Group the rows of one reading by dataset, noise and share of visits; rivals select nothing and are in both."""
    groups: dict[tuple[Any, ...], dict[tuple[str, int], Row]] = {}
    own = (row for row in rows if row["counted"] == counted or row["method"] in RIVALS)
    for row in sorted(own, key=lambda row: (row["dataset"], row["noise"], -row["share"], row["seed"])):
        key = (row["dataset"], row["rows_train"], row["noise"], row["share"])
        groups.setdefault(key, {})[row["method"], row["seed"]] = row
    return dict(groups)


def section(rows: Sequence[Row]) -> Iterator[str]:
    """Yield both readings."""
    yield "## Row visits of the judged model alone"
    yield from _reading(cells_of(rows, counted=False))
    yield "## Row visits of selecting included"
    yield from _reading(cells_of(rows, counted=True))


def _reading(groups: Mapping[tuple[Any, ...], Cells]) -> Iterator[str]:
    head = ["data, wrong labels", "visits", "seeds", *RIVALS, *TED, "one twin alone"]
    lines = [[*_name(key, cells), *_accuracies(cells)] for key, cells in groups.items()]
    yield table(head, [*lines, *_means(groups)])
    head = ["TED's lead in points over", *TED]
    yield table(head, [[name, *(_against(groups, ted, name) for ted in TED)] for name in OPPONENTS])


def _means(groups: Mapping[tuple[Any, ...], Cells]) -> Iterator[list[str]]:
    """Yield a line for each share of wrong labels and of visits: the mean over the data sets, where all have one."""
    for noise, share in dict.fromkeys(key[2:] for key in groups):
        own = [cells for key, cells in groups.items() if key[2:] == (noise, share)]
        columns = [(name, "accuracy") for name in (*RIVALS, *TED)] + [("ted-twins", "accuracy_alone")]
        means = ([_values(cells, *column) for cells in own] for column in columns)
        texts = (f"{PERCENT * mean(map(mean, values)):.1f}" if all(values) else NOTHING for values in means)
        yield [f"mean, {PERCENT * noise:.0f} %", f"{PERCENT * share:.0f} %", "", *texts]


def _name(key: tuple[Any, ...], cells: Cells) -> list[str]:
    dataset, rows, noise, share = key
    seeds = len({seed for _, seed in cells})
    return [f"{dataset} ({rows:,} rows), {PERCENT * noise:.0f} %", f"{PERCENT * share:.0f} %", str(seeds)]


def _accuracies(cells: Cells) -> list[str]:
    values = {name: _values(cells, name, "accuracy") for name in (*RIVALS, *TED)}
    best = max((name for name in values if values[name] and name != FULL), key=lambda name: mean(values[name]))
    texts = [f"**{percent(own)}**" if name == best else percent(own) for name, own in values.items()]
    return [*texts, percent(_values(cells, "ted-twins", "accuracy_alone"))]


def _values(cells: Cells, method: str, column: str) -> list[float]:
    return [row[column] for (name, _), row in cells.items() if name == method and row[column] is not None]


def lead(cells: Cells, method: str, other: str) -> Interval | None:
    """Return how far the method leads the other, seed by seed; None if its budget was too small."""
    ours, theirs = (_values(cells, name, "accuracy") for name in (method, other))
    return difference(ours, theirs) if len(ours) == len(theirs) and ours else None


def _against(groups: Mapping[tuple[Any, ...], Cells], method: str, other: str) -> str:
    """Say how far the method leads on average over the cells, and in how many it is ahead or behind for certain."""
    leads = [one for cells in groups.values() if (one := lead(cells, method, other))]
    if not leads:
        return NOTHING
    better, worse = (sum(getattr(one, side) for one in leads) for side in ("better", "worse"))
    return f"{PERCENT * mean(one.mean for one in leads):+.1f}; {better} better, {worse} worse of {len(leads)}"
