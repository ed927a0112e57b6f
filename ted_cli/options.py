"""What all these commands share: which service they ask, and where they print."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ted_client.client import Client
from ted_client.printable import literal
from ted_client.retry import RetryPolicy

DEFAULT_HOME = Path("~/.ted")
out, err = Console(), Console(stderr=True)

HomeOption = Annotated[Path, typer.Option(envvar="TED_HOME", help="Folder of the service's data.")]
UrlOption = Annotated[
    str | None, typer.Option(envvar="TED_URL", help="A service elsewhere; otherwise the one that runs in --home.")
]
KeyOption = Annotated[
    str | None, typer.Option(envvar="TED_API_KEY", help="The key; unless given, the one that `ted up` left in --home.")
]
PatienceOption = Annotated[
    float,
    typer.Option(
        "--patience", envvar="TED_PATIENCE", min=0, help="Seconds to go on asking a service that does not answer."
    ),
]
JobIdArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]
JsonOption = Annotated[bool, typer.Option("--json", help="All of it, as JSON.")]


@dataclass(frozen=True)
class ServiceOptions:
    """The service that the options name."""

    home: Path
    url: str | None
    key: str | None
    retry_policy: RetryPolicy

    def client(self) -> Client:
        """A client of it. Raises ServiceUnreachable."""
        if self.url:
            return Client(self.url, key=self.key, patience=self.retry_policy)
        return Client.from_home(self.home, key=self.key, patience=self.retry_policy)


def client(context: typer.Context) -> Client:
    """The client that the options name. Raises ServiceUnreachable."""
    where: ServiceOptions = context.find_object(ServiceOptions) or context.fail("no service was named")
    return where.client()


def print_text(text: object) -> None:
    """Print it as it is, on however long a line."""
    out.print(literal(text), highlight=False, soft_wrap=True)


def record_table(rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> Table:
    """These fields of the rows, one row a line; the first is never cut."""
    found = Table(box=None)
    for column in columns:
        found.add_column(column.replace("_", " "), no_wrap=column == columns[0], overflow="fold")
    for row in rows:
        found.add_row(*(_cell(row.get(column)) for column in columns))
    return found


def _cell(value: object) -> str:
    if isinstance(value, list):
        return literal(", ".join(map(str, value)))
    return "-" if value is None else literal(f"{value:,}" if type(value) is int else value)
