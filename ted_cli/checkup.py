"""``ted doctor``: the service examines itself in a process of its own; here its findings become a table."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ted_cli.local.processes import process_command, process_environment
from ted_client.errors import ClientError

DoctorFinding = Mapping[str, str]
SIGNS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "problem": "[red]✗[/]"}


class DoctorFailed(ClientError):
    """The examination itself broke off."""


def iter_findings(home: Path) -> Iterator[DoctorFinding]:
    """The findings as they come: subject, verdict (ok, warning or problem), fact, remedy. Raises NoFindings."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        process_command("doctor"), env=process_environment(home), stdout=pipe, stderr=pipe, text=True
    ) as doctor:  # noqa: S603 - our own module
        assert doctor.stdout and doctor.stderr  # noqa: S101 - asked for one line above
        yield from map(json.loads, doctor.stdout)
        words = doctor.stderr.read().strip()
    if doctor.returncode:
        raise DoctorFailed(f"The examination broke off:\n{words}")


def collect_findings(home: Path, *, console: Console) -> list[DoctorFinding]:
    """All findings; on a terminal, something moves meanwhile."""
    with console.status("examining …"):
        return list(iter_findings(home))


def findings_table(found: list[DoctorFinding]) -> Table:
    """The findings, one a line, each with its remedy below."""
    rows = Table(box=None, show_header=False)
    for finding in found:
        remedy = f"\n[dim]→ {escape(finding['remedy'])}[/]" if finding["remedy"] else ""
        rows.add_row(SIGNS[finding["verdict"]], finding["subject"], escape(finding["fact"]) + remedy)
    return rows


def has_no_problems(found: list[DoctorFinding]) -> bool:
    """Whether none of them is a problem."""
    return all(finding["verdict"] != "problem" for finding in found)
