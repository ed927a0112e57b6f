"""The estimate of what a job would take, on a terminal."""

from collections.abc import Iterator

from rich.table import Table

from ted_client.flow import JsonObject
from ted_client.terminal_text import literal

MEBIBYTE = 2**20


def estimate_table(estimate: JsonObject) -> Table:
    """Return a table with a line for each fact; what is not known is left out."""
    table = Table(box=None, show_header=False)
    for name, fact in _facts(estimate):
        table.add_row(name, literal(fact))
    return table


def _facts(estimate: JsonObject) -> Iterator[tuple[str, str]]:
    rows, kept = estimate["rows_in"], estimate["rows_kept"]
    yield "rows", f"{kept:,} of {rows:,} would be retained ({kept / rows:.1%})"
    yield "proxy", f"{estimate['proxy']['name']}, {estimate['proxy']['epochs']:,} epochs"
    if estimate["classes"]:
        yield "classes", f"{estimate['classes']:,}"
    if estimate["cost_at_most"] is not None:
        yield "cost", f"at most {estimate['cost_at_most']:.2f} of one full run{_typical(estimate['cost'], '.2f')}"
    if span := estimate["seconds"]:
        yield "seconds", f"{span['typical']:,.0f} ({span['least']:,.0f} to {span['most']:,.0f})"
    if estimate["peak_memory_bytes"]:
        yield "memory", f"{estimate['peak_memory_bytes'] / MEBIBYTE:,.0f} MiB"
    yield "estimated from", f"{estimate['precedents']:,} earlier jobs like it"


def _typical(span: JsonObject | None, format_spec: str) -> str:
    return f", usually {span['typical']:{format_spec}}" if span else ""
