"""The ``ted`` command; its subcommands are in ``ted_cli.commands``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ted_cli.commands import (
    datasets,
    explain,
    export,
    jobs,
    prove,
    proxies,
    results,
    roots,
    run,
    serve,
    submit,
    webhooks,
)
from ted_cli.extras import require
from ted_cli.options import DEFAULT_HOME, HomeOption, KeyOption, PatienceOption, ServiceOptions, UrlOption
from ted_cli.request.faults import error_text
from ted_cli.terminal import out, print_error
from ted_client.errors import ClientError
from ted_core.errors import TedError

PATIENCE_SECONDS = 10.0
"""Less than the library's default: a person is waiting who may only have forgotten to start the service."""

app = typer.Typer(
    help="TED: find the rows of a training set that are worth training on.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for commands in (serve.app, submit.app, run.app, jobs.app, results.app, explain.app, export.app, prove.app):
    app.add_typer(commands)
app.add_typer(datasets.app, name="datasets")
app.add_typer(proxies.app, name="proxies")
app.add_typer(roots.app, name="roots")
app.add_typer(webhooks.app, name="webhooks")


def print_version(is_requested: bool) -> None:
    """Print the version and exit, if that is asked for."""
    if is_requested:
        from importlib.metadata import version  # noqa: PLC0415 - only here

        typer.echo(f"ted {version('ted-coreset')}")
        raise typer.Exit


@app.callback()
def set_service_options(
    context: typer.Context,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    key: KeyOption = None,
    patience: PatienceOption = PATIENCE_SECONDS,
    _version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Remember where the service is; nothing is sent yet."""
    context.obj = ServiceOptions(home.expanduser().resolve(), url, key, patience)


@app.command()
def demo(
    context: typer.Context,
    folder: Annotated[Path, typer.Option(help="Folder for the demo's data, service and manifest.")] = Path("ted-demo"),
) -> None:
    """Prune scikit-learn's digits to 60 % with a real service of its own, and show what was gained."""
    require(context, "server", "worker")
    from ted_cli.demo import run_demo  # noqa: PLC0415 - scikit-learn is slow to load

    run_demo(folder.resolve(), console=out)


def main() -> None:
    """Run the command. An error that the user can remedy is printed as one line, without a traceback."""
    try:
        app(prog_name="ted")
    except (ClientError, TedError) as error:
        print_error(error_text(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
