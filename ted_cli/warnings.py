"""Warnings on a terminal: what was accepted, but may not be what was meant."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from ted_cli.terminal import err
from ted_client.flow import JsonObject
from ted_core.terminal_text import literal


def warning_table(warnings: Sequence[JsonObject]) -> Table:
    """Return a table with a yellow line for each warning, whatever its code."""
    table = Table.grid(padding=(0, 1))
    for warning in warnings:
        where = f" ({warning['field']})" if warning.get("field") else ""
        table.add_row("!", literal(f"{warning['code']}{where}: {warning['message']}"), style="yellow")
    return table


def print_warnings(warnings: Sequence[JsonObject], *, console: Console = err) -> None:
    """Print the warnings, if there are any; to standard error, since results go to standard output."""
    if warnings:
        console.print(warning_table(warnings), highlight=False)
