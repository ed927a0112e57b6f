"""A job's report in the terminal, as JSON, and as a page in a file."""

import hashlib
import io
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

import pytest
from rich.console import Console

from ted_cli import report_summary
from ted_cli.report_summary import MOST_CLASSES, summary
from ted_client import Client
from ted_core.warnings import WarningCode
from tests.reports import NOT_LEARNED, a_guarded_report, a_report, class_of, of_random_rows
from tests.servers.stacks import command

FORMS = {"text/html": b"<!doctype html><title>A report</title>", "*/*": a_report().model_dump_json().encode()}


class Reporter(BaseHTTPRequestHandler):
    """One report, in two forms."""

    def do_GET(self) -> None:
        body = FORMS[self.headers["Accept"]]
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    """A service that has a report."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Reporter)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def shown(report: dict[str, object]) -> str:
    screen = Console(file=io.StringIO(), width=120)
    screen.print(summary(report), highlight=False)
    assert isinstance(screen.file, io.StringIO)
    return " ".join(screen.file.getvalue().split())


def ted(url: str, *arguments: str) -> str:
    done = subprocess.run(command("--url", url, *arguments), capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def test_the_client_reads_the_report_and_saves_its_page(url: str, tmp_path: Path) -> None:
    with Client(url) as client:
        report = client.report("job_1111111111111111111111111111")
        path = client.report_page("job_1111111111111111111111111111", tmp_path / "folder" / "report.html")

    assert report["rows_kept"] == 60
    assert path.read_bytes() == FORMS["text/html"]


def test_the_report_command_prints_a_summary_or_json_or_saves_the_page(url: str, tmp_path: Path) -> None:
    brief, full = (
        ted(url, "report", "job_1111111111111111111111111111"),
        ted(url, "report", "job_1111111111111111111111111111", "--json"),
    )
    saved = ted(url, "report", "job_1111111111111111111111111111", "--html", str(tmp_path / "report.html"))

    assert brief.startswith("60 of 100 rows retained")
    assert json.loads(full) == json.loads(a_report().model_dump_json())
    assert Path(saved).read_bytes() == FORMS["text/html"]


def test_the_summary_tells_reasons_classes_q_and_cost() -> None:
    text = shown(a_report().model_dump(mode="json"))

    for part in (
        "60 of 100 rows retained (60.0%, asked for 60.0%)",
        "well generalized (redundant) 38 38.0%",
        "cat 49 20 40.8% 0.500",
        "q = 1: measured: q = 1 did best",
        "cost: 0.80 of one full run, measuring included, 1 min 31 s",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("returned", "verdict"),
    [
        ("ted", "guard: kept TED's rows, which were ahead by 2.0 points"),
        ("random", "guard: random rows were ahead by 2.0 points and are returned"),
    ],
)
def test_the_summary_tells_what_the_guard_found(returned: Literal["ted", "random"], verdict: str) -> None:
    text = shown(a_guarded_report(returned=returned).model_dump(mode="json"))

    assert verdict in text
    assert "q =" not in text
    assert "guard" not in shown(a_report().model_dump(mode="json"))


def test_the_summary_tells_what_the_proxy_has_learned() -> None:
    accuracy = {"out_of_sample": 0.161, "majority_class": 0.102, "chance": 0.1}
    report = a_report().model_dump(mode="json") | {"proxy_accuracy": accuracy}

    learned, not_learned = shown(report), shown(report | {"warnings": [vars(NOT_LEARNED)]})

    line = (
        "the proxy is right about 16.1% of the rows that it did not train on (most frequent class 10.2%, chance 10.0%)"
    )
    assert line in learned
    assert "has not learned" not in learned
    assert f"{line}: it has not learned" in not_learned


def test_the_summary_of_an_older_report_leaves_out_what_that_does_not_know() -> None:
    older = a_report().model_dump(mode="json")
    for name in ("proxy_accuracy", "warnings"):
        older.pop(name)
    for name in ("inputs", "input_count", "left_out"):
        older["dataset"].pop(name)

    text = shown(older)

    assert "the proxy" not in text
    assert "inputs" not in text
    assert "60 of 100 rows retained" in text


def test_the_summary_names_the_columns_that_the_model_saw() -> None:
    report = a_report().model_dump(mode="json")
    report["dataset"] |= {"inputs": ["age", "[red]hours[/red]"], "input_count": 30, "left_out": {"id": "a counter"}}

    text = shown(report)

    assert "inputs: age, [red]hours[/red] and 28 more" in text
    assert "left out: id" in text


def test_the_summary_tells_that_memory_had_run_out() -> None:
    cost = a_report().cost.model_copy(update={"batch_parts": 4})

    assert "batches cut into 4 parts" in shown(a_report(cost=cost).model_dump(mode="json"))
    assert "batches" not in shown(a_report().model_dump(mode="json"))


def test_the_summary_of_random_rows_leaves_out_what_was_not_measured() -> None:
    text = shown(of_random_rows().model_dump(mode="json"))

    assert "q =" not in text
    assert "cat 49 20 40.8% -" in text


def test_of_many_classes_the_summary_shows_those_that_changed_most() -> None:
    classes = tuple(class_of(f"c{number}.", 100, 60 + number) for number in range(30))

    text = shown(a_report(classes=classes).model_dump(mode="json"))

    named = [number for number in range(30) if f"c{number}." in text]
    assert named == list(range(30 - MOST_CLASSES, 30))
    assert "changed most of 30" in text


def test_names_are_not_taken_for_markup() -> None:
    text = shown(a_report(classes=(class_of("[red]x[/red]", 10, 5), class_of("[/nothing]", 10, 5))).model_dump())

    assert "[red]x[/red]" in text
    assert "[/nothing]" in text


def test_control_sequences_in_names_are_removed() -> None:
    named = a_report().model_dump(mode="json")
    named["classes"][0]["name"] = "evil\x1b[2J\nname\\"

    text = shown(named)

    assert "\x1b[2J" not in text
    assert "name\\ " in text


def test_the_code_of_a_proxy_that_has_not_learned_is_spelled_as_the_worker_does() -> None:
    assert WarningCode.PROXY_HAS_NOT_LEARNED.value == report_summary.NOT_LEARNED
