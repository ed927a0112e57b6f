"""A job's report on a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ted_client.printable import literal, printable

MOST_CLASSES = 10
LONGEST_NAME = 40
ReportJson = Mapping[str, Any]


def summary(report: ReportJson) -> Group:
    """The report in brief: rows by reason, the classes that changed most, q and the cost."""
    return Group(*_sections(report))


def _sections(report: ReportJson) -> Iterator[RenderableType]:
    rows, kept, asked = report["dataset"]["rows"], report["rows_kept"], report["keep_ratio"]
    yield f"[bold]{kept:,} of {rows:,} rows retained[/] ({kept / rows:.1%}, asked for {asked:.1%})"
    yield _reasons(report)
    if report["classes"]:
        yield _classes(report)
    if report["q"]["value"] is not None or report["q"]["candidates"]:
        yield _exponent(report["q"])
    yield _cost(report["cost"])


def _reasons(report: ReportJson) -> Table:
    table = _columns("reason", "rows", "share")
    for reason, rows in report["reasons"].items():
        table.add_row(literal(reason), f"{rows:,}", f"{rows / report['dataset']['rows']:.1%}")
    return table


def _classes(report: ReportJson) -> Table:
    """The classes whose shares are furthest from that of the whole, in the order of the labels."""
    found = [one for one in report["classes"] if one["kept_share"] is not None]
    far = sorted(found, key=lambda one: -abs(one["kept_share"] - report["achieved_ratio"]))[:MOST_CLASSES]
    few = len(far) < len(found)
    table = _columns(f"class (the {MOST_CLASSES} that changed most of {len(found):,})" if few else "class", "before",
                     "after", "kept", "internal generalization")  # fmt: skip
    for one in (one for one in found if one in far):
        performance = one["internal_generalization"]
        known = "-" if performance is None else f"{performance:.3f}"
        name = Text(printable(one["name"][:LONGEST_NAME]))
        table.add_row(name, f"{one['before']:,}", f"{one['after']:,}", f"{one['kept_share']:.1%}", known)
    return table


def _columns(first: str, *others: str) -> Table:
    table = Table(box=None)
    table.add_column(first)
    for heading in others:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _exponent(choice: Mapping[str, Any]) -> str:
    value = "random rows" if choice["value"] is None else f"q = {choice['value']:g}"
    return f"{value}: {literal(choice['chosen_by'])}"


def _cost(cost: Mapping[str, Any]) -> str:
    parts = cost.get("batch_parts", 1)
    cut = f"; batches cut into {parts} parts, since memory had run out" if parts > 1 else ""
    return f"cost: {cost['of_one_full_run']:.2f} of one full run, {sum(cost['seconds'].values()):.1f} s{cut}"
