"""The tenant beside an attacker: it polls its job, submits another, and has a webhook; what it has to wait for each."""

import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx
from sqlalchemy import Engine

from ted_client import Client
from ted_jobs.jobs.status import LEASED_STATUSES, JobStatus
from tests.faults.outcome import JobHistory, job_histories

UNHELD = set(JobStatus) - set(LEASED_STATUSES)
POLLS_PER_SECOND = 20
PATIENCE = 10.0
"""After so many seconds a client gives up a poll; one that fails counts as long."""


@dataclass(frozen=True)
class Neighbour:
    """A client with a key of its own."""

    url: str
    key: str

    def client(self) -> Client:
        """Return a client that repeats what the service refuses for the moment, as ours do by default."""
        return Client(self.url, key=self.key)

    def submit(self, body: dict[str, Any]) -> str:
        """Submit a job and return its id."""
        with self.client() as client:
            return client.submit(body).id

    def poll(self, job_id: str, *, seconds: float) -> "Latencies":
        """Read the job at regular times.

        A poll's latency is counted from when it was due, so one that hangs does not hide those that had to wait for it.
        """
        latencies = Latencies()
        with httpx.Client(headers={"Authorization": f"Bearer {self.key}"}, timeout=PATIENCE, trust_env=False) as client:
            self._answers(client, job_id)  # the connection is made before the first poll that counts
            began = time.monotonic()
            for number in range(int(seconds * POLLS_PER_SECOND)):
                due = began + number / POLLS_PER_SECOND
                time.sleep(max(0.0, due - time.monotonic()))
                answered = time.monotonic() < began + seconds + PATIENCE and self._answers(client, job_id)
                latencies.seconds.append(time.monotonic() - due if answered else PATIENCE)
        return latencies

    def _answers(self, client: httpx.Client, job_id: str) -> bool:
        with suppress(httpx.HTTPError):
            return client.get(f"{self.url}/v1/jobs/{job_id}").is_success
        return False


@dataclass(frozen=True)
class Latencies:
    """How long each poll took."""

    seconds: list[float] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """Return the seconds that this share of the polls took at most."""
        return sorted(self.seconds)[min(int(len(self.seconds) * share), len(self.seconds) - 1)]

    def __str__(self) -> str:
        return f"p50 {1000 * self.quantile(0.5):.0f} ms, p99 {1000 * self.quantile(0.99):.0f} ms"


def waited_for_a_free_worker(engine: Engine, job_id: str, *, workers: int) -> float:
    """Return the seconds from when a worker was first free for this job until it started.

    That is when it was queued or, if all workers were busy, when the first of them had done with another job.
    """
    histories = job_histories(engine)
    own, others = histories.pop(job_id), histories.values()
    queued_at, started_at = own.events[0][2], own.resumed_after(0)
    assert started_at, "it has not started"
    is_busy = sum(_is_held(other, queued_at) for other in others) >= workers
    freed = [at for other in others for at in _departures(other) if at > queued_at]
    return max(0.0, started_at - (min(freed) if is_busy and freed else queued_at))


def _is_held(job: JobHistory, moment: float) -> bool:
    """Say whether a worker had the job at this moment."""
    statuses = [type_ for _, type_, at in job.events if at <= moment and type_ in list(JobStatus)]
    return bool(statuses) and statuses[-1] in LEASED_STATUSES


def _departures(job: JobHistory) -> list[float]:
    """Return when a worker had done with the job, each time."""
    moves = [(type_, at) for _, type_, at in job.events if type_ in list(JobStatus)]
    return [at for (before, _), (type_, at) in pairwise(moves) if before in LEASED_STATUSES and type_ in UNHELD]
