"""``ted doctor``: the service examines itself in its own process; its findings are shown here as a table."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ted_cli.local.processes import process_command, process_environment
from ted_client.errors import ClientError
from ted_core.terminal_text import literal

DoctorFinding = Mapping[str, str]
SIGNS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "problem": "[red]✗[/]"}


class DoctorFailed(ClientError):
    """The examination itself failed."""


def iter_findings(home: Path) -> Iterator[DoctorFinding]:
    """Yield findings as they come: subject, verdict (ok, warning or problem), fact, remedy. Raise DoctorFailed."""
    with subprocess.Popen(  # noqa: S603 - our own module
        process_command("doctor"),
        env=process_environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as doctor:
        assert doctor.stdout and doctor.stderr  # noqa: S101 - both are pipes
        yield from map(json.loads, doctor.stdout)
        stderr = doctor.stderr.read().strip()
    if doctor.returncode:
        raise DoctorFailed(f"The examination broke off:\n{stderr}")


def collect_findings(home: Path, *, console: Console) -> list[DoctorFinding]:
    """Return all findings; a terminal shows a spinner meanwhile."""
    with console.status("examining …"):
        return list(iter_findings(home))


def findings_table(findings: list[DoctorFinding]) -> Table:
    """Return a table with a line for each finding, and its remedy below."""
    table = Table(box=None, show_header=False)
    for finding in findings:
        remedy = f"\n[dim]→ {literal(finding['remedy'])}[/]" if finding["remedy"] else ""
        table.add_row(SIGNS[finding["verdict"]], literal(finding["subject"]), literal(finding["fact"]) + remedy)
    return table


def has_no_problems(findings: list[DoctorFinding]) -> bool:
    """Return whether none of the findings is a problem."""
    return all(finding["verdict"] != "problem" for finding in findings)
