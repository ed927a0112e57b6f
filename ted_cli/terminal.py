"""Where the commands print, and how: text as it is, and records as tables."""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from ted_core.terminal_text import literal

out, err = Console(), Console(stderr=True)


def print_text(text: object, *, console: Console = out) -> None:
    """Print the text as it is, on one line however long."""
    console.print(literal(text), highlight=False, soft_wrap=True)


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


def _cell(value: object) -> str:
    if isinstance(value, list):
        return literal(", ".join(map(str, value)))
    return "-" if value is None else literal(f"{value:,}" if type(value) is int else value)
