"""Where the commands print, and how: text as it is, and records as tables."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table

from ted_core.terminal_text import literal

out, err = Console(), Console(stderr=True)
WIDE = 110
"""Columns."""


def is_narrow() -> bool:
    """Return whether standard output is a terminal on which a whole id would leave little room for anything else."""
    return out.is_terminal and out.width < WIDE


def print_text(text: object, *, console: Console = out) -> None:
    """Print the text as it is, on one line however long."""
    console.print(literal(text), highlight=False, soft_wrap=True)


UNBROKEN = 10_000
"""Characters of a line that no terminal will break, where a program reads it."""


def print_table(table: RenderableType) -> None:
    """Print a table, which a terminal's width limits; where a program reads it, every cell is whole."""
    console = out if out.is_terminal else Console(width=UNBROKEN)
    console.print(table, highlight=False)


def print_outcome(text: object, facts: Mapping[str, Any], *, json_: bool) -> None:
    """Say what was done: in words, or as JSON for a program."""
    if json_:
        print_json(facts)
    else:
        print_text(text)


def print_json(value: Any) -> None:
    """Print a value as JSON, indented for a person."""
    print_text(json.dumps(value, indent=2))


def print_json_lines(values: Iterable[Any]) -> None:
    """Print each value as JSON on a line of its own, as soon as it comes."""
    for value in values:
        print_text(json.dumps(value))


def print_hint(text: object) -> None:
    """Say what can be done next, to a person alone."""
    if err.is_terminal:
        err.print(f"[dim]{literal(text)}[/]", highlight=False, soft_wrap=True)


def print_error(text: object) -> None:
    """Print what is wrong."""
    err.print(f"[red]error:[/] {literal(text)}", highlight=False, soft_wrap=True)


def record_table(records: Iterable[Mapping[str, object]], columns: Sequence[str]) -> Table:
    """Return a table of these fields, with a line for each record; the first column is never cut."""
    table = Table(box=None)
    for column in columns:
        table.add_column(column.replace("_", " "), no_wrap=column == columns[0], overflow="fold")
    for record in records:
        table.add_row(*(_cell(record.get(column)) for column in columns))
    return table


def facts_table(facts: Iterable[tuple[str, str]]) -> Table:
    """Return a table with a line for each named fact."""
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, fact in facts:
        table.add_row(name, literal(fact))
    return table


def print_records(records: Iterable[Mapping[str, Any]], columns: Sequence[str], *, json_: bool) -> None:
    """Print records as a table of these fields, or whole, as JSON on a line each."""
    if json_:
        print_json_lines(records)
    else:
        print_table(record_table(records, columns))


def _cell(value: object) -> str:
    if isinstance(value, list):
        return literal(", ".join(map(str, value)))
    return "-" if value is None else literal(f"{value:,}" if type(value) is int else value)
