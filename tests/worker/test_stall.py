"""Whether a runner still does anything: as numbers, and with real processes that are frozen, idle or busy."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.servers.stacks import until
from tests.worker.test_supervisor import Background, phase, runners
from worker.child.process import RunnerProcess
from worker.stall import LOOKS, Activity, StallDetector, session_activity
from worker.supervisor import Supervisor

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="the kernel does not say what a process does"
)
LIMIT = 1.5


class Process:
    """A process as its numbers say, and a clock."""

    def __init__(self) -> None:
        self.activity: Activity | None = Activity(cpu_seconds=5, io_bytes=100)
        self.seconds = 0.0
        self.detector = StallDetector(lambda: self.activity, seconds=600, clock=lambda: self.seconds)

    def stalled_after(self, seconds: float, *, cpu: float = 0, io: int = 0, has_reported: bool = False) -> bool:
        self.seconds += seconds
        if self.activity:
            self.activity = Activity(self.activity.cpu_seconds + cpu, self.activity.io_bytes + io)
        return self.detector.is_stalled(has_reported=has_reported)


def test_a_process_without_a_sign_of_life_is_stalled_after_the_limit() -> None:
    process = Process()

    assert [process.stalled_after(300) for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize("sign", [{"cpu": 1}, {"io": 1}, {"has_reported": True}])
def test_each_sign_of_life_starts_the_time_again(sign: dict) -> None:
    process = Process()

    assert [process.stalled_after(590, **sign) for _ in range(5)] == [False] * 5
    assert process.stalled_after(601)


def test_idle_threads_that_wake_up_are_no_sign_of_life() -> None:
    process = Process()

    assert [process.stalled_after(100, cpu=0.01) for _ in range(7)][-1]


def test_slow_work_is_added_up() -> None:
    process = Process()

    assert not any(process.stalled_after(100, cpu=0.2) for _ in range(30))


def test_the_kernel_is_asked_a_few_times_within_the_limit_and_not_at_each_heartbeat() -> None:
    looks, process = 0, Process()

    def look() -> Activity:
        nonlocal looks
        looks += 1
        return Activity(cpu_seconds=process.seconds, io_bytes=0)

    process.detector.activity = look
    for _ in range(600):
        process.stalled_after(1)

    assert looks == LOOKS


def test_without_the_kernels_numbers_nothing_is_stalled() -> None:
    process = Process()
    process.activity = None

    assert not process.stalled_after(10_000)


BUSY = "import time\nwhile time.process_time() < 0.6: pass"
SLEEP = "\nimport time; time.sleep(60)"
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])" + SLEEP


@needs_proc
def test_the_numbers_include_children_running_and_ended() -> None:
    for child_ends in (True, False):
        program = [sys.executable, "-c", PARENT, BUSY if child_ends else BUSY + SLEEP]
        with subprocess.Popen(program, start_new_session=True) as parent:
            until(lambda pid=parent.pid: session_activity(pid).cpu_seconds > 0.5, seconds=20)
            assert session_activity(parent.pid).io_bytes > 0
            os.killpg(parent.pid, signal.SIGKILL)


# --- supervised -------------------------------------------------------------------------------------------------------


@pytest.fixture
def supervised(leases: Leases, settings: Settings) -> Callable[[Claim], Supervisor]:
    """The supervisor of a claimed job, with a short limit."""
    hasty = settings.model_copy(update={"stall_seconds": LIMIT})
    return lambda claim: Supervisor(claim, leases=leases, store=ArtifactStore(settings.artifacts), settings=hasty)


def run_script(
    script: str,
    claimed: Callable[..., Claim],
    supervised: Callable[[Claim], Supervisor],
    monkeypatch: pytest.MonkeyPatch,
) -> Job:
    """Run a job whose runner is this program, which ends with status 3."""
    program = f"import os, signal, sys, threading, time\n{script}\nos._exit(3)"
    monkeypatch.setattr("worker.child.starting.RUNNER_COMMAND", (sys.executable, "-c", program))
    job = supervised(claimed()).run()
    assert job
    return job


@needs_proc
def test_a_frozen_runner_is_ended_and_its_job_repeated(
    claimed: Callable[..., Claim], supervised: Callable[[Claim], Supervisor], store: JobStore, leases: Leases
) -> None:
    claim = claimed(epochs=1000)
    work = Background(supervised(claim))
    until(lambda: phase(store, claim) == "pruning")

    for pid in runners():
        os.kill(pid, signal.SIGSTOP)
    work.join(LIMIT + 10)

    assert work.left
    assert work.left.status is JobStatus.QUEUED
    assert "did nothing for 1.5 s while pruning" in (work.left.status_reason or "")
    assert not runners()
    assert leases.claim(claim.job.id, worker="another")


SILENT_BUT_BUSY = """
end = time.monotonic() + 3
while time.monotonic() < end:
    sum(range(10_000))
"""
SILENT_BUT_READING = """
zeros = open("/dev/zero", "rb", buffering=0)
for _ in range(15):
    zeros.read(1)
    time.sleep(0.2)
"""
FROZEN_FOR_A_MOMENT = (
    """
threading.Thread(target=lambda: os.system(f"sleep 0.7; kill -CONT {os.getpid()}")).start()
time.sleep(0.1)
os.kill(os.getpid(), signal.SIGSTOP)
"""
    + SILENT_BUT_READING
)


@needs_proc
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(SILENT_BUT_BUSY, id="it computes"),
        pytest.param(SILENT_BUT_READING, id="it reads"),
        pytest.param(FROZEN_FOR_A_MOMENT, id="it was frozen for less than the limit"),
    ],
)
def test_a_runner_that_only_sends_no_messages_is_left_alone(
    claimed: Callable[..., Claim],
    supervised: Callable[[Claim], Supervisor],
    monkeypatch: pytest.MonkeyPatch,
    script: str,
) -> None:
    job = run_script(script, claimed, supervised, monkeypatch)

    assert "exited with status 3" in (job.status_reason or "")


@needs_proc
def test_a_runner_that_hangs_on_its_way_out_is_ended(
    claimed: Callable[..., Claim], supervised: Callable[[Claim], Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = run_script("os.close(1); time.sleep(60)", claimed, supervised, monkeypatch)

    assert "did nothing" in (job.status_reason or "")


@contextmanager
def unkillable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runners get no signals, as if they waited in the kernel; they are ended when the block ends."""
    with monkeypatch.context() as patch:
        patch.setattr("worker.child.process.KILL_SECONDS", 0.2)
        patch.setattr(RunnerProcess, "_signal", lambda *_: None)
        patch.setattr("worker.child.starting.RUNNER_COMMAND", (sys.executable, "-c", "import time; time.sleep(60)"))
        started: list[RunnerProcess] = []
        start = RunnerProcess.__init__
        patch.setattr(
            RunnerProcess, "__init__", lambda self, *options: (start(self, *options), started.append(self))[0]
        )
        yield
    for runner in started:
        runner.process.kill()
        runner.process.wait()
        runner._close()


@needs_proc
def test_a_worker_goes_on_without_a_runner_that_cannot_be_killed(
    claimed: Callable[..., Claim], supervised: Callable[[Claim], Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()

    with unkillable(monkeypatch):
        job = supervised(claimed()).run()

    assert job
    assert "did nothing" in (job.status_reason or "")
    assert time.monotonic() - began < LIMIT + 10
