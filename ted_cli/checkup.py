"""``ted doctor``: the service examines itself in a process of its own; here its findings become a table."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ted_cli.local.processes import command, environment
from ted_client.errors import ClientError

Finding = Mapping[str, str]
SIGNS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "problem": "[red]✗[/]"}


class NoFindings(ClientError):
    """The examination itself broke off."""


def findings(home: Path) -> Iterator[Finding]:
    """The findings as they come: subject, verdict (ok, warning or problem), fact, remedy. Raises NoFindings."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command("doctor"), env=environment(home), stdout=pipe, stderr=pipe, text=True) as doctor:  # noqa: S603 - our own module
        assert doctor.stdout and doctor.stderr  # noqa: S101 - asked for one line above
        yield from map(json.loads, doctor.stdout)
        words = doctor.stderr.read().strip()
    if doctor.returncode:
        raise NoFindings(f"The examination broke off:\n{words}")


def examined(home: Path, *, console: Console) -> list[Finding]:
    """All findings; on a terminal, something moves meanwhile."""
    with console.status("examining …"):
        return list(findings(home))


def table(found: list[Finding]) -> Table:
    """The findings, one a line, each with its remedy below."""
    rows = Table(box=None, show_header=False)
    for finding in found:
        remedy = f"\n[dim]→ {escape(finding['remedy'])}[/]" if finding["remedy"] else ""
        rows.add_row(SIGNS[finding["verdict"]], finding["subject"], escape(finding["fact"]) + remedy)
    return rows


def is_well(found: list[Finding]) -> bool:
    """Whether none of them is a problem."""
    return all(finding["verdict"] != "problem" for finding in found)
