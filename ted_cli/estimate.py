"""The estimate of what a job would take, on a terminal."""

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.table import Table

from ted_cli.understood import understood_rows
from ted_cli.warnings import warning_table
from ted_client.flow import JsonObject
from ted_client.progress import measured_duration
from ted_core.terminal_text import literal

MEBIBYTE = 2**20
LONGEST_HEADING = len("estimated from")
"""So that the columns of both tables stand below each other."""
NOT_COUNTED = "too many to be counted yet; the worker counts them"


def estimate_summary(estimate: JsonObject) -> Group:
    """Return what the dataset was taken for, what the job would take, and the warnings."""
    return Group(*_sections(estimate))


def _sections(estimate: JsonObject) -> Iterator[RenderableType]:
    if understood := estimate.get("understood"):
        yield "[bold]The dataset, as it was understood[/]"
        yield _table(understood_rows(understood))
        yield ""
        yield "[bold]What the job would take[/]"
    yield estimate_table(estimate)
    if warnings := estimate.get("warnings"):
        yield ""
        yield warning_table(warnings)


def estimate_table(estimate: JsonObject) -> Table:
    """Return a table with a line for each fact; what is not known is left out."""
    return _table((name, literal(fact)) for name, fact in _facts(estimate))


def _table(rows: Iterable[tuple[str, RenderableType]]) -> Table:
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True, min_width=LONGEST_HEADING, style="dim")
    table.add_column()
    for name, fact in rows:
        table.add_row(name, fact)
    return table


def _facts(estimate: JsonObject) -> Iterator[tuple[str, str]]:
    yield "rows", _rows(estimate)
    yield "proxy", f"{estimate['proxy']['name']}, {estimate['proxy']['epochs']:,} epochs"
    if estimate["classes"] and not (estimate.get("understood") or {}).get("classes"):  # which are shown above
        yield "classes", f"{estimate['classes']:,}"
    if estimate["cost_at_most"] is not None:
        runs = f"{estimate['cost_at_most']:.2f} of one full run, measuring included"
        yield "cost", f"at most {runs}{_typical(estimate['cost'], '.2f')}"
    if span := estimate["seconds"]:
        least, typical, most = (measured_duration(span[name]) for name in ("least", "typical", "most"))
        yield "time", f"{typical} ({least} to {most}){_where(estimate)}"
    if note := estimate.get("seconds_note"):
        yield "" if span else "time", note
    if estimate["peak_memory_bytes"]:
        yield "memory", f"{estimate['peak_memory_bytes'] / MEBIBYTE:,.0f} MiB"
    yield "estimated from", _source(estimate)


def _rows(estimate: JsonObject) -> str:
    rows, kept = estimate["rows_in"], estimate["rows_kept"]
    if not rows:
        return NOT_COUNTED
    if kept is None:
        return f"as few of {rows:,} as cost no more than {estimate['plan']['tolerance']:g} points of accuracy"
    return f"{kept:,} of {rows:,} would be retained ({kept / rows:.1%})"


def _typical(span: JsonObject | None, format_spec: str) -> str:
    return f", usually {span['typical']:{format_spec}}" if span else ""


def _where(estimate: JsonObject) -> str:
    device = estimate.get("device")
    return f" on {device}" if device else ""


def _source(estimate: JsonObject) -> str:
    if estimate.get("based_on") == "throughput":
        return "the measured speed of the workers, since no earlier job is like it"
    precedents = estimate["precedents"]
    return f"{precedents:,} earlier {'job' if precedents == 1 else 'jobs'} like it"
