"""The options that the commands share: which service they ask, and how."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ted_client.client import Client

DEFAULT_HOME = Path("~/.ted")

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
JobIdArgument = Annotated[
    str,
    typer.Argument(metavar="JOB", help="The job's name, its id, or how that begins or ends."),
]
JobFileArgument = Annotated[
    Path | None, typer.Argument(help="The job as a JSON or YAML file (- for standard input); options override it.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="All of it, as JSON; of a list, one object a line.")]


@dataclass(frozen=True)
class ServiceOptions:
    """Where the service is, and how it is asked."""

    home: Path
    url: str | None
    key: str | None
    patience: float
    """Seconds to go on asking a service that does not answer."""

    def client(self) -> "Client":
        """Connect to it. Raise ServiceUnreachable if no service runs in the home folder."""
        from ted_client import Client, RetryPolicy  # noqa: PLC0415 - httpx takes its time

        retry = RetryPolicy(self.patience)
        if self.url:
            return Client(self.url, key=self.key, retry=retry)
        return Client.from_home(self.home, key=self.key, retry=retry)


def client(context: typer.Context) -> "Client":
    """Connect to the service that the options name. Raise ServiceUnreachable if there is none."""
    options: ServiceOptions = context.find_object(ServiceOptions) or context.fail("no service was named")
    return options.client()
