"""Runners are forked from a process on standby: each a process of its own, whatever happens to that one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from ted_jobs.jobs.leases import Claim
from ted_jobs.jobs.store import JobStore
from tests.servers.stacks import until
from tests.worker.test_supervisor import Background, phase, runners
from worker.child import standby as module
from worker.child.forked_process import ForkedProcess
from worker.child.precedence import NICENESS, OOM_SCORE_ADJ
from worker.child.standby import Standby
from worker.child.starting import (
    PROCESS_NAME,
    StartedProcess,
    StartRunner,
    Streams,
    runner_environment,
    start_cold,
)
from worker.supervisor import Supervisor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="runners are forked on Linux only")

ECHO = """
import os, sys
from worker.child.fork_server import serve
def run():
    line = sys.stdin.readline()
    print(os.getpid(), line, end="", flush=True)
    print("said on standard error", file=sys.stderr, flush=True)
    {"crash": lambda: {}["label"], "wait": sys.stdin.read, "abort": os.abort}.get(line.strip(), int)()
serve(run)
"""
"""A process on standby that imports next to nothing. Its forks answer with their id and what they have been told."""
COLD = (sys.executable, "-c", "print('started from nothing')")


class Fork:
    """A process that was started by a standby, with this end of its streams."""

    def __init__(self, standby: Standby, folder: Path) -> None:
        self.log = folder / "log"
        input_end, self.input = os.pipe()
        self.output, output_end = os.pipe()
        with self.log.open("wb") as log:
            try:
                self.process: StartedProcess = standby.start(Streams(input_end, output_end, log.fileno()))
            finally:
                os.close(input_end)
                os.close(output_end)

    def told(self, line: str) -> str:
        """What it answers."""
        os.write(self.input, f"{line}\n".encode())
        answer = b""
        while not answer.endswith(b"\n"):
            answer += os.read(self.output, 1000)
        return answer.decode()

    def close(self) -> None:
        os.close(self.input)
        os.close(self.output)


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> Iterator[Standby]:
    """A standby that is ready at once."""
    monkeypatch.setattr(module, "COMMAND", (sys.executable, "-c", ECHO))
    monkeypatch.setattr("worker.child.starting.RUNNER_COMMAND", COLD)
    standby = Standby()
    get_ready(standby)
    yield standby
    standby.close()


@pytest.fixture
def fork(light: Standby, tmp_path: Path) -> Iterator[Callable[[], Fork]]:
    """Start a process and return it."""
    forks: list[Fork] = []

    def start() -> Fork:
        forks.append(Fork(light, tmp_path))
        return forks[-1]

    yield start
    for started in forks:
        started.close()
        started.process.wait(10)


def get_ready(standby: Standby) -> psutil.Process:
    """Wait until it can be forked, and return its process."""
    standby.warm_up()
    assert standby.is_ready(within=60)
    assert standby._server
    return psutil.Process(standby._server.process.pid)


def test_a_fork_is_a_child_of_this_process_in_a_session_of_its_own(light: Standby, fork: Callable[[], Fork]) -> None:
    started = fork()

    assert started.told("hello") == f"{started.process.pid} hello\n"
    assert isinstance(started.process, ForkedProcess)
    assert psutil.Process(started.process.pid).ppid() == os.getpid()
    assert os.getsid(started.process.pid) == started.process.pid != os.getsid(get_ready(light).pid)


def test_every_fork_has_a_log_and_a_process_of_its_own(fork: Callable[[], Fork]) -> None:
    first, second = fork(), fork()

    assert first.told("hello") != second.told("hello")
    assert first.process.wait(10) == second.process.wait(10) == 0
    assert first.log.read_text() == "said on standard error\n"


@pytest.mark.parametrize(
    ("word", "status", "trace"), [("crash", 1, "KeyError: 'label'"), ("abort", -signal.SIGABRT, "")]
)
def test_a_fork_s_end_is_reported_as_that_of_a_started_process(
    fork: Callable[[], Fork], word: str, status: int, trace: str
) -> None:
    started = fork()

    started.told(word)

    assert started.process.wait(10) == started.process.returncode == status
    assert trace in started.log.read_text()


def test_waiting_for_a_fork_that_does_not_end_takes_no_longer_than_it_may(fork: Callable[[], Fork]) -> None:
    started = fork()
    started.told("wait")

    with pytest.raises(subprocess.TimeoutExpired):
        started.process.wait(0.1)

    assert started.process.poll() is None
    os.kill(started.process.pid, signal.SIGKILL)
    assert started.process.wait(10) == -signal.SIGKILL


def test_a_fork_lives_on_without_the_process_that_it_was_forked_from(light: Standby, fork: Callable[[], Fork]) -> None:
    started = fork()

    get_ready(light).kill()

    assert started.told("hello")
    assert started.process.wait(10) == 0


def test_a_killed_standby_is_replaced_by_the_next_runner(light: Standby, fork: Callable[[], Fork]) -> None:
    killed = get_ready(light)
    killed.kill()
    until(lambda: light._server and not light._server.is_alive)

    assert isinstance(fork().process, ForkedProcess)
    assert get_ready(light).pid != killed.pid


def test_a_runner_waits_for_a_standby_that_is_importing_but_not_for_ever(
    light: Standby, fork: Callable[[], Fork], monkeypatch: pytest.MonkeyPatch
) -> None:
    light.close()
    monkeypatch.setattr(module, "COMMAND", (sys.executable, "-c", f"import time; time.sleep(1); {ECHO}"))
    monkeypatch.setattr(module, "READY_SECONDS", 0.1)

    meanwhile = fork()

    assert isinstance(meanwhile.process, subprocess.Popen)
    assert meanwhile.process.wait(10) == 0
    monkeypatch.setattr(module, "READY_SECONDS", 60)
    assert isinstance(fork().process, ForkedProcess)


def test_a_frozen_standby_fails_one_attempt_and_is_replaced(
    light: Standby, fork: Callable[[], Fork], monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = get_ready(light)
    monkeypatch.setattr(module, "FORK_SECONDS", 0.2)
    assert light._server
    light._server._requests.settimeout(module.FORK_SECONDS)
    frozen.suspend()

    with pytest.raises(OSError, match="forked no runner"):
        fork()

    assert not frozen.is_running()
    get_ready(light)
    assert fork().told("hello")


HOLDS_A_STANDBY = f"""
import sys, time
from worker.child import standby as module
module.COMMAND = (sys.executable, "-c", {ECHO!r})
standby = module.Standby()
standby.warm_up()
standby.is_ready(within=60)
print(standby._server.process.pid, flush=True)
time.sleep(60)
"""


def test_a_standby_ends_with_its_worker() -> None:
    command = [sys.executable, "-c", HOLDS_A_STANDBY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout
        standby = psutil.Process(int(worker.stdout.readline()))

        worker.kill()

    until(lambda: not standby.is_running() or standby.status() == psutil.STATUS_ZOMBIE, seconds=10)


def test_a_standby_at_rest_takes_no_processor_time(light: Standby) -> None:
    resting = get_ready(light)
    until(lambda: resting.status() == psutil.STATUS_SLEEPING)
    before = resting.cpu_times(), resting.num_ctx_switches()

    time.sleep(1)

    assert (resting.cpu_times(), resting.num_ctx_switches()) == before


def test_a_process_with_threads_is_not_forked() -> None:
    threaded = "import threading, time; threading.Thread(target=time.sleep, args=(5,), daemon=True).start()"
    command = [sys.executable, "-c", f"{threaded}\n{ECHO}"]

    refused = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    assert refused.returncode == 1


# --- with all that a runner imports -----------------------------------------------------------------------------------


IS_FIT_TO_FORK = """
import os, sys
import torch
def refuse(*_, **__): raise AssertionError("the accelerator was asked for")
for name in ("is_available", "device_count", "init", "_lazy_init", "current_device"):
    setattr(torch.cuda, name, refuse)
torch.backends.mps.is_available = torch.accelerator.is_available = refuse
from worker import warm_runner
from worker.child.fork_server import _require_one_thread
warm_runner.warm_up()
_require_one_thread()
print({"sympy", "torch._dynamo", "worker.runner"} <= sys.modules.keys())
"""


def test_what_runners_are_forked_from_has_imported_all_has_one_thread_and_knows_of_no_accelerator() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IS_FIT_TO_FORK], env=runner_environment(), capture_output=True, text=True, check=False
    )

    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr


def test_a_forked_runner_decides_as_a_started_one_does(
    claimed: Callable[..., Claim], supervised: Callable[[Claim], Supervisor], standby: Standby
) -> None:
    get_ready(standby)
    started: list[StartedProcess] = []

    def decisions(start: StartRunner) -> str:
        supervisor = supervised(claimed(epochs=3, seed=5))
        supervisor.start_runner = lambda streams: (started.append(start(streams)), started[-1])[1]
        job = supervisor.run()
        return str(((job and job.result) or {})["content_sha256"])

    assert decisions(standby.start) == decisions(start_cold)
    assert [type(process) for process in started] == [ForkedProcess, subprocess.Popen]


def test_a_runner_is_known_by_its_name_and_gives_way_to_its_supervisor(
    claimed: Callable[..., Claim], supervised: Callable[[Claim], Supervisor], store: JobStore
) -> None:
    claim = claimed(epochs=1000)
    work = Background(supervised(claim))
    until(lambda: phase(store, claim) == "pruning")

    [runner] = [psutil.Process(pid) for pid in runners()]
    facts = runner.name(), runner.nice(), Path(f"/proc/{runner.pid}/oom_score_adj").read_text().strip()

    assert facts == (PROCESS_NAME, NICENESS + psutil.Process().nice(), OOM_SCORE_ADJ)
    store.cancel(claim.job.id, tenant="default")
    work.join(10)
