"""The summary of a job's report, on a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ted_client.terminal_text import literal, printable

MOST_CLASSES = 10
LONGEST_NAME = 40
ReportJson = Mapping[str, Any]


def summary(report: ReportJson) -> Group:
    """Return the report in brief: rows by reason, the classes that changed most, q and the cost."""
    return Group(*_sections(report))


def _sections(report: ReportJson) -> Iterator[RenderableType]:
    rows, kept = report["dataset"]["rows"], report["rows_kept"]
    yield f"[bold]{kept:,} of {rows:,} rows retained[/] ({kept / rows:.1%}, asked for {report['keep_ratio']:.1%})"
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
    """Return the classes whose shares are furthest from that of the whole, in the order of the labels."""
    measured = [outcome for outcome in report["classes"] if outcome["kept_share"] is not None]
    by_change = sorted(measured, key=lambda outcome: -abs(outcome["kept_share"] - report["achieved_ratio"]))
    shown = by_change[:MOST_CLASSES]
    heading = f"class (the {MOST_CLASSES} that changed most of {len(measured):,})"
    table = _columns(heading if len(shown) < len(measured) else "class", "before", "after", "kept",
                     "internal generalization")  # fmt: skip
    for outcome in measured:
        if outcome in shown:
            table.add_row(*_class_row(outcome))
    return table


def _class_row(outcome: Mapping[str, Any]) -> Iterator[RenderableType]:
    performance = outcome["internal_generalization"]
    yield Text(printable(outcome["name"][:LONGEST_NAME]))
    yield f"{outcome['before']:,}"
    yield f"{outcome['after']:,}"
    yield f"{outcome['kept_share']:.1%}"
    yield "-" if performance is None else f"{performance:.3f}"


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
