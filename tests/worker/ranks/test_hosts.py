"""A job that two hosts work on: here two processes with home folders of their own, which meet at a port of loopback."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from ted_core.python_process import module_command
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.servers.stacks import until
from tests.worker.ranks.test_ranks import content
from tests.worker.test_supervisor import Background, runners
from worker.supervisor import Supervisor

LONG = {"epochs": 400, "rounds": 20, "q": 1}


@dataclass(frozen=True)
class Hosts:
    """The first host is a supervisor in this process; the second is started by the test."""

    settings: Settings
    leases: Leases
    second_home: Path

    def supervisor(self, claim: Claim, **other: object) -> Supervisor:
        settings = self.settings.model_copy(update=other)
        return Supervisor(claim, leases=self.leases, store=ArtifactStore(settings.artifacts), settings=settings)

    def start_second(self) -> "subprocess.Popen[bytes]":
        variables = {
            "TED_HOME": str(self.second_home),
            "TED_DATASET_ROOTS": os.pathsep.join(map(str, self.settings.dataset_roots)),
            "TED_DEVICE": "cpu",
            "TED_RUNNER_THREADS": "1",
            "TED_NODES": "2",
            "TED_NODE_RANK": "1",
            "TED_RENDEZVOUS": self.settings.rendezvous,
        }
        return subprocess.Popen(module_command("worker.nodes"), env=os.environ | variables)


@pytest.fixture
def hosts(settings: Settings, leases: Leases, tmp_path: Path) -> Hosts:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    both = {"nodes": 2, "rendezvous": f"127.0.0.1:{port}", "runner_threads": 1, "checkpoint_seconds": 0}
    return Hosts(settings.model_copy(update=both), leases, tmp_path / "second")


@pytest.fixture
def second(hosts: Hosts) -> Iterator["subprocess.Popen[bytes]"]:
    node = hosts.start_second()
    yield node
    children = psutil.Process(node.pid).children(recursive=True)
    node.terminate()
    node.wait(10)
    until(lambda: not any(child.is_running() for child in children), seconds=10)


def test_two_hosts_write_the_manifest_that_one_writes(
    claimed: Callable[..., Claim], hosts: Hosts, second: "subprocess.Popen[bytes]"
) -> None:
    options = {"epochs": 8, "rounds": None, "q": None}

    two = hosts.supervisor(claimed(**options)).run()
    one = hosts.supervisor(claimed(**options), nodes=1).run()

    assert content(two) == content(one)
    assert two
    assert two.result
    assert two.result["device"] == "cpu, 1 thread, 2 ranks on 2 hosts"


def test_two_hosts_divide_the_files_that_two_ranks_of_one_would(
    claimed: Callable[..., Claim], hosts: Hosts, second: "subprocess.Popen[bytes]", shards: Path
) -> None:
    options = {"uri": shards, "epochs": 4, "sampling": "sharded"}

    two = hosts.supervisor(claimed(**options)).run()
    one = hosts.supervisor(claimed(**options), nodes=1, ranks=2, runner_threads=2).run()

    assert content(two) == content(one)


def test_a_host_that_is_missing_hands_the_job_back(
    claimed: Callable[..., Claim], hosts: Hosts, store: JobStore
) -> None:
    claim = claimed()

    job = hosts.supervisor(claim, seat_seconds=0.5).run()

    assert job
    assert (job.status, job.attempt) == (JobStatus.QUEUED, 0)
    assert "--node-rank [1] are missing" in (job.status_reason or "")


@pytest.mark.faults
@pytest.mark.parametrize("victim", ["the second host's rank", "the runner"])
def test_whichever_host_fails_both_stop_and_the_next_attempt_resumes(
    victim: str, claimed: Callable[..., Claim], hosts: Hosts, second: "subprocess.Popen[bytes]", store: JobStore
) -> None:
    claim = claimed(**LONG)
    work = Background(hosts.supervisor(claim))
    stored = lambda: hosts.supervisor(claim).checkpoints.for_job(claim.job.id)  # noqa: E731
    until(lambda: len(stored()) >= 1, seconds=90)
    (guest,), (runner,) = psutil.Process(second.pid).children(), runners()

    (guest if victim.startswith("the second") else psutil.Process(runner)).kill()

    work.join(30)
    assert work.left
    assert work.left.status is JobStatus.QUEUED
    until(lambda: not guest.is_running(), seconds=15)
    again = hosts.leases.claim(claim.job.id, worker="another")
    assert again
    job = hosts.supervisor(again).run()
    assert job
    assert job.status is JobStatus.SUCCEEDED
    assert "job.resumed" in [event.type for event in store.events(claim.job.id, after=0, limit=100, tenant="default")]
