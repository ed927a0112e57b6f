"""The life of a job."""

from ted_jobs.jobs.status import LEASED_STATUSES, LEGAL_MOVES, TERMINAL_STATUSES, JobStatus, predecessors


def test_a_job_ends_in_one_of_four_ways() -> None:
    assert {status.value for status in TERMINAL_STATUSES} == {"succeeded", "failed", "cancelled", "expired"}
    assert all(status.is_terminal == (status in TERMINAL_STATUSES) for status in JobStatus)


def test_every_status_is_reached_from_queued() -> None:
    reached = {JobStatus.QUEUED}

    for _ in JobStatus:
        reached |= {onward for status in reached for onward in LEGAL_MOVES[status]}

    assert reached == set(JobStatus)


def test_only_finalizing_leads_to_success_and_it_cannot_be_cancelled() -> None:
    assert predecessors(JobStatus.SUCCEEDED) == {JobStatus.FINALIZING}
    assert JobStatus.CANCELLING not in LEGAL_MOVES[JobStatus.FINALIZING]


def test_a_terminal_job_is_held_by_nobody() -> None:
    assert not LEASED_STATUSES & TERMINAL_STATUSES
