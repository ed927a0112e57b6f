"""``ted roots``: the folders that may hold the datasets of the service on this machine."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from ted_cli.extras import require
from ted_cli.options import JsonOption, ServiceOptions
from ted_cli.terminal import print_hint, print_outcome, print_records
from ted_client.errors import ClientError
from ted_client.flow import JsonObject

app = typer.Typer(help="Folders that datasets may lie in, for the service that `ted up` runs in --home.")
RootArgument = Annotated[str, typer.Argument(metavar="FOLDER", help="A folder, or s3://bucket/folder.")]
COLUMNS = ("root", "from")
OPTION, ADDED = "ted up --dataset-root", "ted roots add"


class RootUnknown(ClientError):
    """No such root was added."""


@app.callback(invoke_without_command=True)
def roots(context: typer.Context, json_: JsonOption = False) -> None:
    """Folders that datasets may lie in, for the service that `ted up` runs in --home; without a command, list them."""
    require(context, "server")
    if context.invoked_subcommand is None:
        listed = list(_records(_home(context)))
        print_records(listed, COLUMNS, json_=json_)
        if not listed:
            print_hint("no dataset is allowed yet; ted roots add FOLDER")


@app.command()
def add(context: typer.Context, folder: RootArgument, json_: JsonOption = False) -> None:
    """Allow the datasets in a folder, and in the folders below it: at once, and whenever `ted up` runs there."""
    home, root = _home(context), _root(folder)
    known = {record["root"] for record in _records(home)}
    if root not in known:
        _write(home, [*_added(home), root])
    print_outcome(f"datasets may lie in {root}", {"root": root, "added": root not in known}, json_=json_)


@app.command()
def remove(context: typer.Context, folder: RootArgument, json_: JsonOption = False) -> None:
    """Allow no datasets any more in a folder that was added; jobs that run go on."""
    home = _home(context)
    root = next((root for root in _added(home) if root in {folder, _absolute(folder)}), None)
    if root is None:
        raise RootUnknown(f"{folder} is none of the folders that `ted roots add` has allowed; `ted roots` lists them.")
    _write(home, [other for other in _added(home) if other != root])
    print_outcome(f"{root} is no dataset root any more", {"root": root, "deleted": True}, json_=json_)


def _home(context: typer.Context) -> Path:
    """Return the home folder of the service on this machine. Exit with status 2 if another service is meant."""
    options: ServiceOptions = context.find_object(ServiceOptions) or context.fail("no service was named")
    if options.url:
        raise typer.BadParameter("roots belong to the service in --home on this machine", param_hint="--url or TED_URL")
    return options.home


def _root(folder: str) -> str:
    """Return a root as it is stored. Exit with status 2 if it is neither a folder here nor one in a bucket."""
    from ted_core.storage.roots import parse_root  # noqa: PLC0415 - pyarrow takes its time

    try:
        root = parse_root(folder)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="FOLDER") from error
    if isinstance(root, Path) and not root.is_dir():
        raise typer.BadParameter(f"{root} is no folder", param_hint="FOLDER")
    if "\n" in str(root):
        raise typer.BadParameter("its name has a line break", param_hint="FOLDER")
    return _absolute(folder) if isinstance(root, Path) else str(root)


def _absolute(folder: str) -> str:
    """Return where the folder is, whichever links lead there."""
    return str(Path(folder).expanduser().resolve())


def _records(home: Path) -> Iterator[JsonObject]:
    from ted_core.storage.roots import parse_roots  # noqa: PLC0415 - pyarrow takes its time

    yield from ({"root": str(root), "from": OPTION} for root in parse_roots(_of_running_service(home)))
    yield from ({"root": root, "from": ADDED} for root in _added(home))


def _of_running_service(home: Path) -> str:
    """Return the roots with which ``ted up`` was started; none if it does not run."""
    from ted_client.connection import CONNECTION_FILE  # noqa: PLC0415 - httpx takes its time

    try:
        return str(json.loads((home / CONNECTION_FILE).read_text())["dataset_roots"])
    except (OSError, ValueError, KeyError):
        return ""


def _added(home: Path) -> list[str]:
    from ted_cli.local.processes import roots_file  # noqa: PLC0415 - only here
    from ted_core.storage.roots import roots_in_file  # noqa: PLC0415 - pyarrow takes its time

    return list(map(str, roots_in_file(roots_file(home))))


def _write(home: Path, roots: Iterable[str]) -> None:
    from ted_cli.local.key import write_private  # noqa: PLC0415 - only here
    from ted_cli.local.processes import roots_file  # noqa: PLC0415 - only here

    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(roots_file(home), "".join(f"{root}\n" for root in roots))
