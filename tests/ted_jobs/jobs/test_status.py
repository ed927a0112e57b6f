"""The life of a job."""

from ted_jobs.jobs.status import LEASED_STATUSES, LEGAL_MOVES, TERMINAL_STATUSES, JobStatus, predecessors


def test_four_statuses_are_terminal() -> None:
    assert {status.value for status in TERMINAL_STATUSES} == {"succeeded", "failed", "cancelled", "expired"}
    assert [status for status in JobStatus if status.is_terminal] == ["succeeded", "failed", "cancelled", "expired"]


def test_every_status_is_reached_from_queued() -> None:
    reached = {JobStatus.QUEUED}

    for _ in JobStatus:
        reached |= {target for status in reached for target in LEGAL_MOVES[status]}

    assert reached == set(JobStatus)


def test_only_finalizing_leads_to_success_and_it_cannot_be_cancelled() -> None:
    assert predecessors(JobStatus.SUCCEEDED) == {JobStatus.FINALIZING}
    assert JobStatus.CANCELLING not in LEGAL_MOVES[JobStatus.FINALIZING]


def test_no_terminal_status_is_leased() -> None:
    assert not LEASED_STATUSES & TERMINAL_STATUSES
