"""The extras of the distribution that subcommands need, and what to do if one is not installed."""

from importlib.util import find_spec

import typer

from ted_cli.terminal import err

PACKAGES = {"manifest": ("pyarrow", "pydantic"), "server": ("fastapi",), "worker": ("celery", "torch")}
"""Packages that show whether an extra is installed; nothing is imported to find out."""
USAGE_ERROR = 2


def require(context: typer.Context, *extras: str) -> None:
    """Exit with status 2, and the command that installs them, unless all of these extras are installed."""
    if not all(map(_is_installed, extras)):
        _exit(f"ted {context.info_name} needs the extra: {_installation(','.join(extras))}")


def require_any(context: typer.Context, *extras: str) -> None:
    """Exit with status 2, and the commands to choose from, unless one of these extras is installed."""
    if not any(map(_is_installed, extras)):
        _exit(f"ted {context.info_name} needs an extra: {' or '.join(map(_installation, extras))}")


def _is_installed(extra: str) -> bool:
    return all(map(find_spec, PACKAGES[extra]))


def _installation(extras: str) -> str:
    return f"pip install 'ted-coreset[{extras}]'"


def _exit(remedy: str) -> None:
    err.print(remedy, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(USAGE_ERROR)
