"""Warnings, and what a dataset was taken for, on a terminal: whoever wrote the names in it."""

import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from ted_cli.estimate import estimate_summary
from ted_cli.job_summary import job_summary
from ted_cli.main import app
from ted_cli.report_summary import summary
from ted_cli.warnings import warning_table
from ted_client import Client, Job
from ted_client.job import JobSnapshot
from ted_client.progress import job_table
from ted_core.datasets.findings import Findings
from ted_core.datasets.formats.base import SchemaSummary
from ted_core.datasets.understood import understood
from tests.reports import a_report
from tests.ted_cli.test_terminal import HOSTILE, printed_on, visible

WARNING = {"code": "from_tomorrow", "field": "dataset.input", "message": "'id' is a counter. Leave it out."}
YELLOW = "\x1b[33m"
ESTIMATE = {
    "rows_in": 1000,
    "rows_kept": 600,
    "proxy": {"name": "mlp", "epochs": 12},
    "classes": None,
    "cost_at_most": 0.8,
    "cost": None,
    "seconds": None,
    "peak_memory_bytes": None,
    "precedents": 0,
    "warnings": [WARNING],
}
JOB = {
    "id": "job_1111111111111111111111111111",
    "status": "queued",
    "status_reason": None,
    "progress": None,
    "result": None,
    "error": None,
    "dataset": {"uri": "file:///data/a.csv", "format": "csv", "task": "tabular-classification"},
    "proxy": {"name": "mlp", "epochs": 12},
    "plan": {"keep_ratio": 0.6, "method": "ted"},
    "rows_in": 1000,
    "created_at": "2026-01-31T12:00:00Z",
    "warnings": [WARNING],
}


def taken_for(*, files: tuple[str, ...] = ("a.csv",), noticed: Findings | None = None, **facts: Any) -> dict[str, Any]:
    """What the service says a CSV file was taken for."""
    summary = SchemaSummary((), None, findings=noticed or Findings(), **facts)
    return json.loads(json.dumps(asdict(understood(summary, file_format="csv", files=files))))


def shown(content: object, *, width: int = 200) -> str:
    screen = Console(file=io.StringIO(), width=width)
    screen.print(content, highlight=False)
    return printed_on(screen)


def words(content: object) -> str:
    return " ".join(shown(content).split())


@pytest.mark.parametrize(
    "content",
    [
        warning_table([WARNING]),
        estimate_summary(ESTIMATE),
        job_summary(JobSnapshot(JOB), "succeeded"),
        summary(a_report().model_dump(mode="json") | {"warnings": [WARNING]}),
    ],
    ids=["warnings", "estimate", "job", "report"],
)
def test_a_warning_is_yellow_whatever_its_code(content: object) -> None:
    screen = Console(file=io.StringIO(), width=200, force_terminal=True, color_system="standard")

    screen.print(content, highlight=False)

    line = next(line for line in printed_on(screen).splitlines() if "from_tomorrow" in line)
    assert YELLOW in line
    assert "from_tomorrow (dataset.input): 'id' is a counter. Leave it out." in line


@pytest.mark.parametrize("field", [None, ""])
def test_a_warning_of_no_field_names_none(field: str | None) -> None:
    assert words(warning_table([WARNING | {"field": field}])) == "! from_tomorrow: 'id' is a counter. Leave it out."


def test_jobs_with_warnings_are_marked_in_the_list() -> None:
    table = words(job_table([JobSnapshot(JOB), JobSnapshot(JOB | {"warnings": []}), JobSnapshot(_of_an_older_api())]))

    assert table.count("queued !") == 1
    assert table.count("queued") == 3


def _of_an_older_api() -> dict[str, Any]:
    return {name: value for name, value in JOB.items() if name != "warnings"}


def test_an_answer_without_warnings_shows_none() -> None:
    older = {name: value for name, value in ESTIMATE.items() if name != "warnings"}

    assert "!" not in shown(estimate_summary(older)) + shown(job_summary(JobSnapshot(_of_an_older_api()), "succeeded"))


@pytest.mark.parametrize("text", HOSTILE)
def test_what_files_say_is_shown_as_it_is(text: str) -> None:
    noticed = Findings(passed_over={text: text}, left_out={text: text})
    found = taken_for(
        files=(text,),
        noticed=noticed,
        inputs=(f"{text} too",),
        targets=(text,),
        key=text,
        classes={text: 1},
        first_row={text: text},
    )
    warning = {"code": text, "field": text, "message": text}

    screen = shown(estimate_summary(ESTIMATE | {"understood": found, "warnings": [warning]}))

    assert screen.count(visible(text)) == 14
    assert "\x1b" not in screen


def test_what_was_understood_is_short_however_large_the_dataset() -> None:
    found = taken_for(
        files=tuple(f"part-{n}.csv" for n in range(1_000)),
        noticed=Findings(passed_over={f"{n}.txt": "no .csv" for n in range(40)}, left_out={"id": "counts the rows"}),
        inputs=tuple(f"x{n}" for n in range(5_000)),
        classes={f"class {n}": n for n in range(100)},
        first_row={f"x{n}": "long\n" * 10_000 for n in range(5_000)} | {"label": "class 7"},
    )

    screen = shown(estimate_summary(ESTIMATE | {"understood": found}), width=120)

    said = " ".join(screen.split())
    assert len(screen.splitlines()) < 45
    assert "part-0.csv, part-1.csv, part-2.csv and 997 more" in said
    assert "0.txt, 1.txt, 2.txt and 37 more no .csv" in said
    assert "id counts the rows" in said
    assert "class 9: 9 and 90 more" in said
    assert "long↵long↵" in said
    assert "and 4,992 more label class 7" in said


def test_reasons_that_are_too_many_are_counted() -> None:
    noticed = Findings(left_out={f"c{n}": f"reason {n}" for n in range(150)})

    said = words(estimate_summary(ESTIMATE | {"understood": taken_for(noticed=noticed)}))

    assert "c4 reason 4 and 145 more" in said


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A service that takes every job, warns, and ends it with one more warning; what it was asked for."""
    asked: dict[str, Any] = {}
    later = WARNING | {"message": "Only the worker has seen it."}
    ended = JOB | {"status": "succeeded", "warnings": [WARNING, later], "result": _result()}

    def submit(client: Client, job: Mapping[str, Any]) -> Job:
        asked.update(job)
        return Job(JOB, client)

    monkeypatch.setattr(Client, "submit", submit)
    monkeypatch.setattr(Client, "job", lambda client, _: Job(JOB, client))
    monkeypatch.setattr(Client, "queue", lambda *_: {"position": 3, "unattended_seconds": None})
    monkeypatch.setattr(Client, "wait", lambda client, _, **__: Job(ended, client))
    return asked


def _result() -> dict[str, Any]:
    return {"rows_in": 1000, "rows_kept": 600, "cost": {"seconds": 2.0}}


def ted(*arguments: str) -> tuple[str, str]:
    """Standard output and standard error of a command that succeeds."""
    done = CliRunner().invoke(app, ["--url", "http://ted.example", *arguments], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.stdout, " ".join(done.stderr.split())


def test_a_submission_prints_its_id_alone_and_its_warnings_beside_it(
    answering: dict[str, Any],
) -> None:
    out, err = ted("submit", "--dataset", "a.csv", "--keep", "0.6", "--watch")

    assert out == "job_1111111111111111111111111111\n"
    assert err.count("'id' is a counter.") == 1
    assert err.count("Only the worker has seen it.") == 1
    assert "kept 600 of 1,000 rows" in err


def test_a_watched_job_shows_all_its_warnings(answering: dict[str, Any]) -> None:
    _, err = ted("watch", "job_1111111111111111111111111111")

    assert "'id' is a counter." in err
    assert "Only the worker has seen it." in err


def test_a_job_is_shown_as_a_table_or_as_json(answering: dict[str, Any]) -> None:
    table, document = (
        ted("show", "job_1111111111111111111111111111")[0],
        ted("show", "job_1111111111111111111111111111", "--json")[0],
    )

    assert "a.csv (csv, tabular-classification)" in table
    assert "ted, to keep 60% of 1,000" in table
    assert "queued (3rd)" in table
    assert "from_tomorrow" in table
    assert json.loads(document) == JOB


def test_every_option_of_a_dataset_and_a_job_becomes_a_field(answering: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text('{"strict": true, "metadata": {"team": "vision"}}')
    dataset = ["--exclude", "id", "--exclude", "row", "--split", "train", "--no-header", "--quoting", "--no-colour"]
    rest = ["--background", "black", "--class-balance", "keep", "--no-strict", "--no-report-samples"]

    ted("submit", str(tmp_path / "job.json"), *dataset, *rest)

    assert answering == {
        "dataset": {
            "exclude": ["id", "row"],
            "split": "train",
            "header": False,
            "quoting": True,
            "colour": False,
            "background": "black",
        },
        "plan": {"class_balance": "keep"},
        "strict": False,
        "report_samples": False,
        "metadata": {"team": "vision"},
    }


def test_options_that_are_not_given_are_no_fields(answering: dict[str, Any]) -> None:
    ted("submit", "--dataset", "/data/a.csv")

    assert answering == {"dataset": {"uri": "/data/a.csv"}}
