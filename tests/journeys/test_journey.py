"""The life of a job, with real processes: HTTP, SQLite, Valkey, Celery, a runner that trains, a manifest in torch."""

import json
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from ted_client import Client, TedApiError
from ted_client.connection import read_connection
from ted_client.errors import JobNotSucceeded
from ted_core.results.manifest import verify
from ted_core.selection.schedule import loop_rounds
from tests.servers.stacks import Up, command, ted_up, until

LONG = 1000
"""Epochs that no test waits for."""
NOTICED = 600
"""Epochs that take longer than the second after which progress is reported, on a fast machine as well."""


def request(digits: Path, *, epochs: int = 5, **plan: object) -> dict[str, Any]:
    return {
        "dataset": {"uri": str(digits), "task": "image-classification"},
        "proxy": {"name": "mlp", "epochs": epochs},
        "plan": {"keep_ratio": 0.6, **plan},
    }


def is_pruning(client: Client, job_id: str) -> bool:
    return client.job(job_id).progress.get("phase") == "pruning"


def start_long_job(up: Up, digits: Path) -> str:
    """Return the id of a long job that is running."""
    job_id = up.client.submit(request(digits, epochs=LONG)).id
    until(lambda: is_pruning(up.client, job_id))
    return job_id


@pytest.fixture
def running(up: Up, digits: Path) -> Iterator[str]:
    """Yield the same; the job is cancelled after the test, so that it delays no other."""
    job_id = start_long_job(up, digits)
    yield job_id
    up.client.cancel(job_id)


def test_a_job_becomes_a_manifest_that_fits_its_dataset_and_opens_in_torch(
    up: Up, digits: Path, tmp_path: Path
) -> None:
    from torch import arange  # noqa: PLC0415
    from torch.utils.data import TensorDataset, default_collate  # noqa: PLC0415

    from ted_client.subset import retained  # noqa: PLC0415

    job = up.client.wait(up.client.submit(request(digits)).id).require_success()
    path = up.client.download(job.id, tmp_path / "manifest.parquet")

    manifest = verify(path, digits)
    subset = retained(TensorDataset(arange(manifest.metadata.dataset.rows)), path)
    assert default_collate(list(subset))[0].tolist() == manifest.row_indices.tolist()
    assert len(subset) == job.result["rows_kept"] == round(0.6 * manifest.metadata.dataset.rows)


def test_progress_is_reported_while_the_job_runs(up: Up, running: str) -> None:
    def progress() -> dict[str, Any]:
        return up.client.job(running).progress

    first = progress()["round"]
    until(lambda: progress()["round"] > first and progress()["samples_per_second"])

    second = progress()
    assert second["rounds"] == loop_rounds(LONG)
    assert second["samples_per_second"] > 0
    assert second["eta_seconds"] > 0


def test_a_running_job_stops_within_five_seconds_of_being_cancelled(up: Up, running: str) -> None:
    began = time.monotonic()

    up.client.cancel(running)
    job = up.client.wait(running, poll_seconds=0.1)

    assert job.status == "cancelled"
    assert time.monotonic() - began < 5
    assert up.runner() is None


def test_two_jobs_with_one_seed_select_the_same_rows(up: Up, digits: Path) -> None:
    jobs = [up.client.submit(request(digits, seed=3)).id for _ in range(2)]

    contents = {up.client.wait(job_id).require_success().result["content_sha256"] for job_id in jobs}

    assert len(contents) == 1


def test_a_job_whose_runner_is_killed_is_claimed_again_and_succeeds(up: Up, digits: Path) -> None:
    undisturbed = up.client.submit(request(digits, epochs=NOTICED)).id
    job_id = up.client.submit(request(digits, epochs=NOTICED)).id
    until(lambda: is_pruning(up.client, job_id), seconds=120)

    runner = up.runner()
    assert runner is not None
    runner.send_signal(signal.SIGKILL)
    job = up.client.wait(job_id).require_success()

    assert job.facts["attempt"] == 2
    assert job.result["content_sha256"] == up.client.job(undisturbed).result["content_sha256"]
    reasons = [event["data"]["error"]["code"] for event in up.client.events(job_id) if event["data"].get("error")]
    assert reasons == ["runner_killed"]


def test_the_doctor_finds_no_problem_in_a_running_service(up: Up) -> None:
    completed = subprocess.run(
        command("--home", str(up.home), "doctor", "--json"), capture_output=True, text=True, timeout=120, check=False
    )

    verdicts = {finding["subject"]: finding["verdict"] for finding in json.loads(completed.stdout)}
    assert {"settings", "database", "sweeper", "broker", "workers", "device", "dataset root"} <= set(verdicts)
    assert (completed.returncode, set(verdicts.values()) - {"warning"}) == (0, {"ok"})


def test_the_metrics_count_the_jobs_that_have_run(up: Up, digits: Path) -> None:
    def read() -> str:
        return httpx.get(f"{up.client.url}/metrics").raise_for_status().text

    def number(name: str) -> float:
        return next((float(line.rsplit(" ", 1)[1]) for line in read().splitlines() if line.startswith(name)), 0.0)

    before = number('ted_phase_seconds_count{phase="pruning"}')

    up.client.wait(up.client.submit(request(digits)).id).require_success()

    until(lambda: number('ted_phase_seconds_count{phase="pruning"}') == before + 1, seconds=10)
    assert number('ted_phase_seconds_sum{phase="pruning"}') > 0
    assert number('ted_jobs{status="succeeded"}') >= 1
    assert number("ted_sweeper_leads") == 1


def test_the_service_requires_the_key_in_its_home_folder_which_only_the_owner_can_read(up: Up) -> None:
    with Client(up.client.url) as keyless, pytest.raises(TedApiError) as error:
        next(keyless.jobs(limit=1))

    assert error.value.status == 401
    for name in ("connection.json", "up.key", "key.secret"):
        assert stat.S_IMODE((up.home / name).stat().st_mode) == 0o600, name
    assert read_connection(up.home)["key"] == (up.home / "up.key").read_text()
    assert subprocess.check_output(command("--home", str(up.home), "keys", "list"), text=True).count("key_") == 1


def test_nobody_else_may_read_what_the_service_writes(up: Up, digits: Path) -> None:
    up.client.wait(up.client.submit(request(digits)).id).require_success()

    written = [path for path in up.home.rglob("*") if path.name != "up.log"]
    exposed = {path.name: oct(path.lstat().st_mode) for path in written if path.lstat().st_mode & 0o077}

    assert {"ted.db", "api.log", "manifest.parquet"} <= {path.name for path in written}
    assert exposed == {}
    assert list((up.home / "work").iterdir()) == []


def test_invalid_input_is_refused_and_its_field_is_named(up: Up, digits: Path) -> None:
    with pytest.raises(TedApiError) as error:
        up.client.submit(request(digits, keep_ratio=1.5))

    assert error.value.status == 422
    assert list(error.value.fields) == ["plan.keep_ratio"]


def test_the_command_line_submits_lists_downloads_and_cancels_jobs(up: Up, digits: Path, tmp_path: Path) -> None:
    def ted(*arguments: str) -> str:
        return subprocess.check_output(command("--home", str(up.home), *arguments), text=True, cwd=tmp_path).strip()

    submitted = ted("submit", "--dataset", str(digits), "--task", "image-classification", "--proxy", "mlp",
                    "--epochs", "3", "--keep", "0.5", "--watch")  # fmt: skip
    path = tmp_path / ted("download", submitted)

    assert "succeeded" in ted("list")
    assert len(verify(path, digits).row_indices) == round(0.5 * 1348)
    assert (tmp_path / ted("download", submitted, "--decisions")).exists()
    with pytest.raises(JobNotSucceeded, match="cancelled"):
        job_id = ted("submit", "--dataset", str(digits), "--task", "image-classification", "--proxy", "mlp",
                     "--epochs", "1000", "--keep", "0.5")  # fmt: skip
        ted("cancel", job_id)
        up.client.wait(job_id).require_success()


def test_ctrl_c_ends_every_process_and_the_job_resumes_at_the_next_start(tmp_path: Path, digits: Path) -> None:
    home = tmp_path / "home"
    with ted_up(home, roots=digits.parent) as up:
        job_id, key = up.client.submit(request(digits, epochs=NOTICED)).id, read_connection(home)["key"]
        until(lambda: is_pruning(up.client, job_id))
        processes = up.processes()

        assert up.stop() == 0

        _, alive = psutil.wait_procs(processes, timeout=5)
        assert not alive
        assert not (home / "connection.json").exists()

    with ted_up(home, roots=digits.parent) as up:
        job = up.client.wait(job_id).require_success()
        assert job.facts["attempt"] == 1
        assert read_connection(home)["key"] == key


def test_a_home_is_used_by_one_service_at_a_time(up: Up) -> None:
    second = subprocess.run(
        command("--home", str(up.home), "up", "--port", "0"), capture_output=True, text=True, timeout=30, check=False
    )

    assert second.returncode == 1
    assert "Another" in second.stderr
    assert "Traceback" not in second.stderr
    assert up.client.ready()["status"] == "ok"


@pytest.fixture(scope="module")
def harmed(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Iterator[Up]:
    """Another service, whose parts are killed until the last test kills all of it."""
    with ted_up(tmp_path_factory.mktemp("harmed"), roots=digits.parent) as running:
        yield running


def test_a_part_that_crashes_is_started_again(harmed: Up, digits: Path) -> None:
    for part in (harmed.part("worker"), harmed.part("service"), harmed.part("worker.sweeper")):
        part.kill()

    job = harmed.client.wait(harmed.client.submit(request(digits)).id)

    assert job.status == "succeeded"


def test_a_worker_hands_its_job_back_even_when_all_its_processes_are_told_to_stop(harmed: Up, digits: Path) -> None:
    job_id = start_long_job(harmed, digits)
    worker = harmed.part("worker")

    for process in (worker, *worker.children()):
        process.terminate()

    worker.wait(10)
    until(lambda: is_pruning(harmed.client, job_id))
    assert harmed.client.job(job_id).facts["attempt"] == 1
    reasons = [event["type"] for event in harmed.client.events(job_id) if not event["type"].startswith("job.round")]
    assert reasons[:3] == ["job.queued", "job.running", "job.queued"]
    harmed.client.cancel(job_id)


def test_no_process_outlives_a_service_that_is_killed(harmed: Up, digits: Path) -> None:
    start_long_job(harmed, digits)
    processes = harmed.processes()
    assert len(processes) >= 6

    harmed.process.kill()
    harmed.process.wait()

    _, alive = psutil.wait_procs(processes, timeout=20)
    assert not alive
