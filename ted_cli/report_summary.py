"""The summary of a job's report, on a terminal."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ted_cli.suspects import noise_sentence
from ted_cli.understood import EMPTY
from ted_cli.warnings import warning_table
from ted_client.progress import measured_duration
from ted_core.terminal_text import literal, printable

if TYPE_CHECKING:
    from ted_client.answers import ReportJson

NOT_LEARNED = "proxy_has_not_learned"
"""The code of the warning; ``WarningCode`` would load pydantic, which a client has no need of."""
MOST_CLASSES = 10
LONGEST_NAME = 40
MOST_COLUMNS = 12
BESIDE = {"majority_class": "most frequent class", "chance": "chance", "base_model": "before training"}
"""Accuracies that the proxy's own is compared with, where there are such."""


def summary(report: "ReportJson") -> Group:
    """Return the report in brief: what the proxy learned, how many labels look wrong, what became of rows and classes,
    how q was chosen, and the cost."""
    return Group(*_sections(report))


def _sections(report: "ReportJson") -> Iterator[RenderableType]:
    rows, kept = report["dataset"]["rows"], report["rows_kept"]
    asked = "chosen:" if report.get("keep_ratio_choice") else "asked for"
    yield f"[bold]{kept:,} of {rows:,} rows retained[/] ({kept / rows:.1%}, {asked} {report['keep_ratio']:.1%})"
    yield from _proxy(report)
    if noise := report.get("label_noise"):
        yield noise_sentence(noise)
    yield from _inputs(report["dataset"])
    yield _reasons(report)
    if report["classes"]:
        yield _classes(report)
    if choice := report.get("keep_ratio_choice"):
        yield f"keep ratio: {literal(choice['verdict'])}"
    if guard := report.get("guard"):
        yield f"guard: {literal(guard['verdict'])}"
    elif report["q"]["value"] is not None or report["q"]["candidates"]:
        yield _exponent(report["q"])
    yield _cost(report["cost"])
    if warnings := report.get("warnings"):
        yield warning_table(warnings)


def _proxy(report: "ReportJson") -> Iterator[str]:
    """Yield how often the proxy is right, beside what needs none, in red if it has not learned."""
    learned = all(warning["code"] != NOT_LEARNED for warning in report.get("warnings", ()))
    if facts := report.get("proxy_accuracy"):
        known = f"{facts['out_of_sample']:.1%} of the rows that it did not train on"
        named = {name: facts.get(field) for field, name in BESIDE.items()}
        beside = ", ".join(f"{name} {accuracy:.1%}" for name, accuracy in named.items() if accuracy is not None)
        style, verdict = ("bold", "") if learned else ("bold red", ": it has not learned")
        yield f"[{style}]the proxy is right about {known}[/]{f' ({beside})' if beside else ''}{verdict}"
    elif not learned:
        yield "[bold red]the proxy has not learned[/]"


def _inputs(dataset: Mapping[str, Any]) -> Iterator[str]:
    """Yield the columns that the model saw, and those that it did not."""
    if inputs := dataset.get("inputs"):
        yield f"inputs: {_listed(inputs, dataset['input_count'])}"
    if left_out := dataset.get("left_out"):
        yield f"left out: {_listed(left_out, len(left_out))}"


def _listed(names: Iterable[str], count: int) -> str:
    shown = [literal(name[:LONGEST_NAME] or EMPTY) for name in islice(names, MOST_COLUMNS)]
    return ", ".join(shown) + (f" and {count - len(shown):,} more" if count > len(shown) else "")


def _reasons(report: "ReportJson") -> Table:
    table = _columns("reason", "rows", "share")
    for reason, rows in report["reasons"].items():
        table.add_row(literal(reason), f"{rows:,}", f"{rows / report['dataset']['rows']:.1%}")
    return table


def _classes(report: "ReportJson") -> Table:
    """Return the classes whose shares are furthest from that of the whole, in the order of the labels."""
    measured = [outcome for outcome in report["classes"] if outcome["kept_share"] is not None]
    by_change = sorted(measured, key=lambda outcome: -abs((outcome["kept_share"] or 0.0) - report["achieved_ratio"]))
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
    runs = f"{cost['of_one_full_run']:.2f} of one full run, measuring included"
    return f"cost: {runs}, {measured_duration(sum(cost['seconds'].values()))}{cut}"
