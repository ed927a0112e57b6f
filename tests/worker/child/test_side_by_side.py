"""Runners with more threads than there are processors for share them fairly."""

from collections.abc import Callable

import pytest

from ted_core.machine.processors import processor_count
from ted_jobs.jobs.leases import Claim
from ted_jobs.jobs.models import Job
from tests.worker.test_supervisor import Background
from worker.child.starting import start_cold
from worker.supervisor import Supervisor

LEAST_SHARE = 0.4
"""Of the speed that a runner has alone. Half of it would be all that there is to share."""


@pytest.mark.slow
@pytest.mark.skipif(processor_count() != 2, reason="two runners with two threads each are to share two processors")
def test_each_of_two_runners_side_by_side_has_two_fifths_of_its_speed_alone(
    claimed: Callable[..., Claim], supervised: Callable[[Claim], Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)

    def start() -> Background:
        supervisor = supervised(claimed(epochs=200, q=1))
        supervisor.start_runner = start_cold  # with this environment
        return Background(supervisor)

    start().join(240)  # files and libraries are in memory from here on
    alone = seconds(start())
    both = [start(), start()]

    together = [seconds(work) for work in both]
    assert max(together) < alone / LEAST_SHARE, (alone, together)


def seconds(work: Background) -> float:
    """How long the job has pruned."""
    work.join(240)
    job: Job | None = work.left
    return float(((job and job.result) or {})["seconds"]["pruning"])
