"""Jobs in words."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from ted_client.client import Job
from ted_client.progress import duration, job_table, outcome_line, progress_display, progress_line, queue_line

FACTS = {
    "id": "job_1",
    "status": "running",
    "progress": None,
    "result": None,
    "error": None,
    "rows_in": 1000,
    "plan": {"keep_ratio": 0.6},
    "dataset": {"uri": "file:///data/train.parquet"},
    "created_at": "2026-01-31T12:00:00Z",
}
PROGRESS = {
    "phase": "pruning",
    "round": 3,
    "rounds": 12,
    "fraction": 0.2,
    "samples_per_second": 5120.4,
    "eta_seconds": 9.6,
}


def job(**facts: object) -> Job:
    return Job(FACTS | facts)


def test_a_running_job_is_described_by_round_speed_and_what_is_left() -> None:
    assert progress_line(job(progress=PROGRESS)) == "pruning, round 3/12, 5,120 samples/s, about 10 s left"


def test_facts_that_are_not_known_yet_are_left_out() -> None:
    starting = PROGRESS | {"phase": "loading", "rounds": 0, "samples_per_second": None, "eta_seconds": None}

    assert progress_line(job(progress=starting)) == "loading"
    assert progress_line(job(status="queued")) == "queued"


def test_the_outcome_of_a_failed_job_gives_the_reason() -> None:
    failed = job(status="failed", error={"message": "The training process was killed"})

    assert outcome_line(failed) == "job_1 is failed: The training process was killed"


def test_without_a_terminal_every_change_prints_one_line() -> None:
    screen = Console(file=io.StringIO())

    with progress_display(screen) as show:
        for seen in (job(status="queued"), job(status="queued"), job(progress=PROGRESS), job(status="succeeded")):
            show(seen)

    assert isinstance(screen.file, io.StringIO)
    assert [line.split(",")[0] for line in screen.file.getvalue().splitlines()] == ["queued", "pruning", "succeeded"]


def test_a_phase_before_the_first_round_says_how_far_it_has_come() -> None:
    before = PROGRESS | {"phase": "loading", "rounds": 0, "samples_per_second": None, "eta_seconds": None}

    assert progress_line(job(progress=before | {"phase_fraction": 0.125})) == "loading, 12% of the rows prepared"
    assert progress_line(job(progress=before | {"phase_fraction": None})) == "loading"


@pytest.mark.parametrize(
    ("position", "idle", "said"),
    [
        (1, None, "queued (1st)"),
        (3, 40.0, "queued (3rd, no worker answers)"),
        (12, 2.0, "queued (12th)"),
        (1022, None, "queued (1,022nd)"),
        (None, 40.0, "queued"),
    ],
)
def test_a_queued_job_s_place_is_said_in_words(position: int | None, idle: float | None, said: str) -> None:
    assert queue_line({"position": position, "unattended_seconds": idle}) == said


def test_little_that_is_done_is_told_from_nothing() -> None:
    table = shown_by(lambda console: console.print(job_table([job(progress=PROGRESS | {"fraction": 0.004})])))

    assert "running 0.4%" in table


def test_the_job_table_shows_the_keep_ratio_and_the_number_of_rows() -> None:
    screen = Console(file=io.StringIO(), width=160)

    screen.print(job_table([job()]))

    assert isinstance(screen.file, io.StringIO)
    assert "60% of 1,000" in screen.file.getvalue()


def test_the_job_table_says_if_the_rows_are_not_counted_yet() -> None:
    uncounted = shown_by(lambda console: console.print(job_table([job(rows_in=None)])))
    result = {"rows_in": 10_000, "rows_kept": 12}
    counted = shown_by(lambda console: console.print(job_table([job(rows_in=None, result=result)])))

    assert "60% of rows not counted yet" in uncounted
    assert "12 of 10,000" in counted


def test_the_job_table_tells_a_small_keep_ratio_from_none() -> None:
    assert "0.12% of 1,000" in shown_by(lambda console: console.print(job_table([job(plan={"keep_ratio": 0.0012})])))


def test_a_job_id_is_not_cut_on_a_narrow_terminal() -> None:
    screen = Console(file=io.StringIO(), width=80)
    job_id = "job_" + 28 * "f"

    screen.print(job_table([job(id=job_id, progress=PROGRESS)]))

    assert isinstance(screen.file, io.StringIO)
    assert job_id in screen.file.getvalue()
    assert "running 20%" in screen.file.getvalue()


HOSTILE = ["[bold]big", "a[/x]b", "[link=https://example.com]x", "\x1b[31mred", "back\\"]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_and_messages_of_others_are_neither_markup_nor_commands(name: str) -> None:
    stored = job(id=name, status=name, dataset={"uri": f"file:///data/{name}"}, created_at=name)

    printed = shown_by(lambda screen: screen.print(job_table([stored])))

    assert printed.count(name.replace("\x1b", "\N{REPLACEMENT CHARACTER}").rsplit("/", 1)[-1]) >= 3
    assert "\x1b" not in printed


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_is_shown_as_the_service_words_it(name: str, is_terminal: bool) -> None:
    def show_once(screen: Console) -> None:
        with progress_display(screen) as show:
            show(job(progress=PROGRESS | {"phase": name}))

    printed = shown_by(show_once, force_terminal=is_terminal, color_system=None)

    assert name.replace("\x1b", "\N{REPLACEMENT CHARACTER}") in printed


def shown_by(act: Callable[[Console], None], **options: Any) -> str:
    """What is printed on a wide screen."""
    screen = Console(file=io.StringIO(), width=300, **options)
    act(screen)
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def test_the_job_table_says_auto_until_an_open_ratio_has_been_chosen() -> None:
    plan = {"keep_ratio": "auto", "tolerance": 0.3}
    chosen = {"rows_in": 1000, "rows_kept": 661, "keep_ratio_choice": {"keep_ratio": 0.66}}

    open_, chosen_ = job(plan=plan), job(plan=plan, result=chosen)
    tables = [shown_by(lambda console, one=one: console.print(job_table([one]))) for one in (open_, chosen_)]

    assert "auto of 1,000" in tables[0]
    assert "661 of 1,000" in tables[1]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min"), (320, "5 min 20 s"), (6600, "1 h 50 min"), (183_600, "2 d 3 h")],
)
def test_a_time_is_told_in_its_two_largest_units(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
