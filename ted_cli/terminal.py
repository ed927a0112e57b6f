"""What the commands print, and where. Text that came from elsewhere is made harmless for a terminal."""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

out, err = Console(), Console(stderr=True)


def printable(text: str) -> str:
    """Replace the characters that a terminal would take for commands."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def literal(text: object) -> str:
    """Return the text, its lines kept, so that rich and the terminal show it as it is."""
    return escape("\n".join(map(printable, str(text).split("\n"))))


def print_text(text: object) -> None:
    """Print the text as it is, on one line however long."""
    out.print(literal(text), highlight=False, soft_wrap=True)


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
