"""``python -m ted_jobs.api_keys.commands``: create, list and revoke keys. ``ted keys`` starts it."""

import re
import sys
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import DBAPIError

from ted_core.errors import TedError
from ted_core.storage.private_files import keep_new_files_private
from ted_core.terminal_text import literal
from ted_jobs.api_keys.secret import key_secret
from ted_jobs.api_keys.store import ApiKey, ApiKeyStore, NewApiKey, Scope
from ted_jobs.db.engine import make_engine
from ted_jobs.settings import Settings

app = typer.Typer(
    help="Keys to the API: who may do what, and how much.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
out, err = Console(), Console(stderr=True)

TENANT = r"[A-Za-z0-9_.-]{1,64}"
HEADINGS = ("id", "tenant", "name", "scope", "limits", "last used", "valid")
DEFAULT_LIMIT_HELP = "0: any number; as the settings say unless given."
LONGEST_NAME = 100


def _key_store() -> ApiKeyStore:
    settings = Settings()
    return ApiKeyStore(make_engine(settings.database), secret=key_secret(settings))


def _tenant(name: str) -> str:
    if not re.fullmatch(TENANT, name):
        raise typer.BadParameter("up to 64 letters, digits and any of _ . -")
    return name


@app.command()
def create(  # noqa: PLR0917 - typer makes every parameter an option
    tenant: Annotated[str, typer.Option(callback=_tenant, help="Whose jobs the key sees.")] = "default",
    name: Annotated[str, typer.Option(help="What you will know it by.")] = "",
    scope: Annotated[Scope, typer.Option(help="read; submit, which implies read; or admin, which implies both.")] = (
        Scope.SUBMIT
    ),
    most_queued: Annotated[int | None, typer.Option(min=0, help=f"Jobs that may wait. {DEFAULT_LIMIT_HELP}")] = None,
    most_running: Annotated[
        int | None, typer.Option(min=0, help=f"Jobs that may run at once. {DEFAULT_LIMIT_HELP}")
    ] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=0, help=DEFAULT_LIMIT_HELP)] = None,
    expires_days: Annotated[float | None, typer.Option(min=0, help="For ever unless set.")] = None,
) -> None:
    """Make a key and print it, once: only a hash of it is stored."""
    if len(name) > LONGEST_NAME:
        raise typer.BadParameter(f"at most {LONGEST_NAME} letters", param_hint="--name")
    limits = {
        "most_queued": most_queued,
        "most_running": most_running,
        "requests_per_minute": requests_per_minute,
    }
    new_key = NewApiKey(tenant=tenant, name=name, scopes=[scope], **limits, expires_days=expires_days)
    key, text = _key_store().create(new_key)
    err.print(f"{key.id} for tenant {key.tenant}; keep what follows, it is shown only now", highlight=False)
    typer.echo(text)


@app.command(name="list")
def list_keys() -> None:
    """Show every key there has been, without its text."""
    table = Table(box=None)
    for heading in HEADINGS:
        table.add_column(heading, no_wrap=heading == "id", overflow="fold")
    for key in _key_store().all():
        table.add_row(*_cells(key))
    out.print(table)


def _cells(key: ApiKey) -> list[str]:
    return [
        key.id,
        literal(key.tenant),
        literal(key.name),
        " ".join(sorted(key.scopes)),
        _limits(key),
        _day(key.last_used_at) if key.last_used_at else "never",
        _validity(key),
    ]


def _limits(key: ApiKey) -> str:
    """The limits that the key has of its own."""
    own = {"queued": key.most_queued, "running": key.most_running, "a minute": key.requests_per_minute}
    return ", ".join(f"{number or 'any'} {of_what}" for of_what, number in own.items() if number is not None)


def _validity(key: ApiKey) -> str:
    if key.revoked_at:
        return f"revoked {_day(key.revoked_at)}"
    return f"until {_day(key.expires_at)}" if key.expires_at else "for ever"


def _day(moment: datetime) -> str:
    return moment.isoformat(" ", "minutes").removesuffix("+00:00")


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID", help="key_…, as in the list.")]) -> None:
    """Make a key worthless, within two seconds and for ever."""
    key = _key_store().revoke(key_id)
    err.print(f"{key.id} ({literal(key.name or key.tenant)}) opens nothing any more", highlight=False)


def main() -> None:
    """Run the command; an error that the user can fix is one line."""
    keep_new_files_private()
    try:
        app(prog_name="ted keys")
    except TedError as error:
        sys.exit(f"error: {error}")
    except DBAPIError as error:
        sys.exit(f"error: The database cannot be used ({error.orig}). Run: ted migrate")


if __name__ == "__main__":
    main()
