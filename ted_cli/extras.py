"""The extras of the distribution that subcommands need, and what to do if one is not installed."""

from importlib.util import find_spec

import typer

from ted_cli.terminal import err

PACKAGES = {"server": ("fastapi",), "worker": ("celery", "torch")}
"""Packages that only the extra brings: if they are there, so is the extra."""
USAGE_ERROR = 2


def require(context: typer.Context, *extras: str) -> None:
    """Exit with status 2, and the command that installs them, unless these extras are installed. Import nothing."""
    if all(find_spec(package) for extra in extras for package in PACKAGES[extra]):
        return
    remedy = f"ted {context.info_name} needs the extra: pip install 'ted-coreset[{','.join(extras)}]'"
    err.print(remedy, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(USAGE_ERROR)
