"""Datasets that are touched, moved away for a moment, or changed while a job runs."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Timer
from typing import Any

import pyarrow.parquet as pq
import pytest

from ted_core.datasets import outages
from ted_core.errors import DatasetChanged, DatasetUnavailable, DatasetUnreadable
from ted_jobs.jobs.leases import Claim
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.servers.stacks import until
from tests.worker.ranks.alone import alone
from tests.worker.test_supervisor import Background, phase
from worker.messages import Assignment, Checkpointed, ProgressMessage, Resumed, RunnerMessage, Staged
from worker.runner import run_assignment
from worker.supervisor import Supervisor

Claimed = Callable[..., Claim]
Disturb = Callable[[Path], object]
Run = Callable[..., list[RunnerMessage]]


class Interrupted(Exception):
    """The attempt is over before its time."""


def leave_alone(_: Path) -> None:
    """Nothing happens."""


@pytest.fixture
def path(digits: Path, tmp_path: Path) -> Path:
    """A dataset of the test's own, in which every byte of an image is one byte of the file."""
    path = tmp_path / "digits.parquet"
    pq.write_table(pq.read_table(digits), path, compression="none", use_dictionary=False)
    return path


@pytest.fixture
def job_claim(claimed: Claimed, path: Path) -> Claim:
    return claimed(uri=path, epochs=4)


@pytest.fixture
def job(job_claim: Claim) -> Job:
    return job_claim.job


@pytest.fixture
def run(job: Job, path: Path, settings: Settings, tmp_path: Path) -> Run:
    """Runs the job in this process, disturbs the dataset in one of the phases, and returns what the runner reports."""

    def run(
        disturb: Disturb = leave_alone, *, when: str = "loading", guard: str = "", checkpoints: tuple[Path, ...] = ()
    ) -> list[RunnerMessage]:
        messages: list[RunnerMessage] = []

        def report(message: RunnerMessage) -> None:
            phases = [earlier.phase for earlier in messages if isinstance(earlier, ProgressMessage)]
            messages.append(message)
            if isinstance(message, ProgressMessage) and message.phase == when and when not in phases:
                disturb(path)
            if isinstance(message, Checkpointed) and when == "interrupted":
                raise Interrupted(message.path)

        assignment = Assignment(
            job_id=job.id,
            spec=job.spec,
            dataset_guard=guard or job.dataset_guard,
            dataset_roots=settings.dataset_roots,
            checkpoints=checkpoints,
            folder=tmp_path,
            device="cpu",
            threads=1,
            memory_bytes=settings.memory_bytes,
            max_undecodable=0.01,
        )
        run_assignment(assignment, report, alone(assignment))
        return messages

    return run


def result(messages: list[RunnerMessage]) -> dict[str, Any]:
    assert isinstance(messages[-1], Staged)
    return messages[-1].result


def content(messages: list[RunnerMessage]) -> object:
    return result(messages)["content_sha256"]


@pytest.fixture
def undisturbed(run: Run) -> object:
    return content(run())


def touch(path: Path) -> None:
    os.utime(path)


def hide_for_a_moment(path: Path) -> None:
    hidden = path.with_suffix(".away")
    path.rename(hidden)
    Timer(0.5, hidden.rename, (path,)).start()


def replace_by_equal_file(path: Path) -> None:
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("when", ["loading", "writing"])
def test_a_file_that_is_away_for_half_a_second_changes_nothing(run: Run, undisturbed: object, when: str) -> None:
    assert content(run(hide_for_a_moment, when=when)) == undisturbed


def test_a_runner_waits_for_a_file_that_comes_back(
    job_claim: Claim, supervised: Callable[[Claim], Supervisor], store: JobStore, path: Path
) -> None:
    hidden = path.rename(path.with_suffix(".away"))
    work = Background(supervised(job_claim))
    until(lambda: phase(store, job_claim) == "loading")

    time.sleep(0.5)
    hidden.rename(path)
    work.join(60)

    assert work.left
    assert (work.left.status, work.left.attempt) == (JobStatus.SUCCEEDED, 1)


@pytest.mark.parametrize(("disturb", "when"), [(touch, "pruning"), (replace_by_equal_file, "writing")])
def test_a_file_that_was_touched_while_the_job_ran_changes_nothing(
    run: Run, undisturbed: object, disturb: Disturb, when: str
) -> None:
    assert content(run(disturb, when=when)) == undisturbed


@pytest.mark.parametrize("disturb", [flip_a_byte, truncate])
@pytest.mark.parametrize("when", ["loading", "writing"])
def test_content_that_changed_while_the_job_ran_is_an_error(run: Run, disturb: Disturb, when: str) -> None:
    with pytest.raises(DatasetChanged):
        run(disturb, when=when)


def test_a_file_whose_rows_the_submission_did_not_count_may_have_been_unreadable_already(run: Run) -> None:
    with pytest.raises(DatasetUnreadable):
        run(truncate, guard="files:of a submission that saw no rows")


def test_a_file_that_was_touched_before_it_was_ever_read_counts_as_changed(run: Run) -> None:
    with pytest.raises(DatasetChanged):
        run(touch, when="loading")


def test_a_byte_that_changed_unseen_before_loading_is_in_the_fingerprint(run: Run) -> None:
    """Neither size nor time tells; the manifest names the content that it was made from."""

    def flip_unseen(path: Path) -> None:
        before = path.stat()
        flip_a_byte(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    first = run()
    second = run(flip_unseen)

    assert result(first)["dataset_fingerprint"] != result(second)["dataset_fingerprint"]


def test_an_attempt_continues_with_a_file_that_was_touched_since_the_one_before(
    run: Run, undisturbed: object, path: Path
) -> None:
    with pytest.raises(Interrupted) as interrupted:
        run(when="interrupted")
    touch(path)

    messages = run(checkpoints=interrupted.value.args)

    assert content(messages) == undisturbed
    assert any(isinstance(message, Resumed) for message in messages)


def test_an_attempt_does_not_continue_with_other_content_than_the_one_before(run: Run, path: Path) -> None:
    with pytest.raises(Interrupted) as interrupted:
        run(when="interrupted")
    flip_a_byte(path)

    with pytest.raises(DatasetChanged):
        run(checkpoints=interrupted.value.args)


def test_a_file_that_stays_away_is_an_error_after_which_the_job_is_repeated(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages, "PATIENCE_SECONDS", 0.3)

    with pytest.raises(DatasetUnavailable, match="does not exist") as unavailable:
        run(Path.unlink)

    assert unavailable.value.retryable
    assert unavailable.value.field == "dataset.uri"
