"""The ``ted`` command. Its subcommands lie in ``ted_cli.commands`` and ``ted_cli.commands.serve``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ted_cli.commands import datasets, jobs, results, serve, submit, webhooks
from ted_cli.options import DEFAULT_HOME, HomeOption, KeyOption, PatienceOption, ServiceOptions, UrlOption, err, out
from ted_client.errors import ClientError
from ted_client.printable import literal
from ted_client.retry import RetryPolicy
from ted_core.errors import TedError

PATIENCE_SECONDS = 10.0
"""Less than a program has: somebody is waiting who may only have forgotten to start the service."""

app = typer.Typer(
    help="TED: find the rows of a training set that are worth training on.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for commands in (serve.app, submit.app, jobs.app, results.app):
    app.add_typer(commands)
app.add_typer(datasets.app, name="datasets")
app.add_typer(webhooks.app, name="webhooks")


@app.callback()
def set_service_options(
    context: typer.Context,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    key: KeyOption = None,
    patience: PatienceOption = PATIENCE_SECONDS,
) -> None:
    """Remember where the service is; nothing is sent yet."""
    context.obj = ServiceOptions(home.expanduser().resolve(), url, key, RetryPolicy(patience))


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Folder for the demo's data, service and manifest.")] = Path("ted-demo"),
) -> None:
    """Prune scikit-learn's digits to 60 % with a real service of its own, and show what was gained."""
    from ted_cli.demo import run_demo  # noqa: PLC0415 - scikit-learn is slow to load

    run_demo(folder.resolve(), console=out)


def main() -> None:
    """Run the command; an error that the user can mend is one line, not a traceback."""
    try:
        app()
    except (ClientError, TedError) as error:
        err.print(f"[red]error:[/] {literal(error)}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
