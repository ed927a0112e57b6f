"""What commands print stays as somebody else wrote it."""

import io

import pytest
from rich.console import Console

from ted_cli.checkup import findings_table
from ted_cli.commands.jobs import _event_line
from ted_cli.report_summary import summary
from ted_cli.terminal import print_text, record_table
from ted_client.job import JobSnapshot
from ted_client.progress import job_table, outcome_line
from tests.reports import a_report

HOSTILE = [
    "[bold]big",
    "a[/x]b",
    "/data/[2026]/train",
    "\x1b[31mred",
    "\x9b2Jcleared",
    "\u202egnp.exe",
    "\u2066a\u2069b",
    "in\u200bvisible",
    "\ue000private",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_line_is_printed_as_it_is(text: str) -> None:
    screen = Console(file=io.StringIO(), width=20)

    print_text(f"TED is ready (data in {text}; Ctrl-C stops it)", console=screen)

    assert printed_on(screen) == f"TED is ready (data in {visible(text)}; Ctrl-C stops it)\n"


@pytest.mark.parametrize("text", HOSTILE)
def test_tables_show_every_field_as_it_is(text: str) -> None:
    screen = Console(file=io.StringIO(), width=200)
    finding = {"subject": text, "verdict": "problem", "fact": text, "remedy": text}

    screen.print(findings_table([finding]))
    screen.print(record_table([{"name": text, "columns": [text]}], ("name", "columns")))

    assert printed_on(screen).count(visible(text)) == 5


@pytest.mark.parametrize("text", [*HOSTILE, "a\nforged line", "a\r\nforged line"])
def test_the_lines_of_jobs_and_events_are_one_line_each(text: str) -> None:
    screen = Console(file=io.StringIO(), width=200)
    event = {"sequence": 1, "created_at": "2026-01-01T00:00:00Z", "type": "job.failed", "data": {"message": text}}
    failed = JobSnapshot({"id": "job_1", "status": "failed", "error": {"message": text}, "result": None})

    print_text(_event_line(event), console=screen)
    print_text(outcome_line(failed), console=screen)

    lines = printed_on(screen).splitlines()
    assert len(lines) == 2
    assert all(line.endswith(visible(text)) for line in lines)


@pytest.mark.parametrize("text", HOSTILE)
def test_lists_and_reports_show_names_as_they_are(text: str) -> None:
    screen = Console(file=io.StringIO(), width=200)
    facts = {"plan": {"keep_ratio": 0.6}, "rows_in": 9, "created_at": "2026", "dataset": {"uri": f"/data/{text}"}}
    job = JobSnapshot({"id": "job_1", "status": "queued", "progress": None, "result": None} | facts)
    report = a_report().model_dump(mode="json")
    report["classes"][0]["name"] = text

    screen.print(job_table([job]))
    screen.print(summary(report))

    assert printed_on(screen).count(visible(text.rsplit("/", 1)[-1])) == 2


def printed_on(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def visible(text: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
