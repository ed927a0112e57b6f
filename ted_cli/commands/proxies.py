"""``ted proxies``: what judges rows."""

from typing import Annotated

import typer

from ted_cli.options import JsonOption, client
from ted_cli.request.job_request import JobOptions, without_none
from ted_cli.request.options import PROXY, takes
from ted_cli.terminal import print_json, print_outcome, print_records

app = typer.Typer(help="The models that judge rows, and names for their settings.", no_args_is_help=True)
ProxyNameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Of the proxy.")]
COLUMNS = ("name", "takes")


@app.command(name="list")
def list_proxies(context: typer.Context, json_: JsonOption = False) -> None:
    """List the proxies that a job may name: installed ones and those with a name of your own."""
    with client(context) as service:
        print_records(service.proxies(), COLUMNS, json_=json_)


@app.command()
def show(context: typer.Context, name: ProxyNameArgument, _json: JsonOption = False) -> None:
    """Show a proxy, as JSON."""
    with client(context) as service:
        print_json(service.proxy(name))


@app.command()
@takes(PROXY)
def add(context: typer.Context, name: ProxyNameArgument, json_: JsonOption = False, *, options: JobOptions) -> None:
    """Give a proxy's settings a name."""
    with client(context) as service:
        registered = service.register_proxy(name, without_none(options.proxy))
    print_outcome(f"{name} is added", registered, json_=json_)


@app.command()
def remove(context: typer.Context, name: ProxyNameArgument, json_: JsonOption = False) -> None:
    """Forget the name of a proxy's settings."""
    with client(context) as service:
        service.forget_proxy(name)
    print_outcome(f"{name} is forgotten", {"name": name, "deleted": True}, json_=json_)
