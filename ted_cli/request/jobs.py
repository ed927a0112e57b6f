"""Which job is meant: by its id, by how that begins or ends, or by its name."""

import re
from itertools import islice
from typing import TYPE_CHECKING

from ted_client.errors import ClientError

if TYPE_CHECKING:
    from ted_client.client import Client, Job

WHOLE_ID = re.compile(r"job_[0-9a-f]{28}")
PART = re.compile(r"(job_)?[0-9a-f]{4,27}")
LOOKED_THROUGH = 1000
"""The newest jobs, among which a part of an id is looked for."""
NAME_LABEL = "name"
"""The label, among a job's metadata, that holds its name."""


class NoSuchJob(ClientError):
    """No job is meant by that."""


class SeveralJobs(ClientError):
    """More than one job is meant by that."""


def job_id(service: "Client", said: str) -> str:
    """Return the id of the job that is meant. Raise NoSuchJob, SeveralJobs."""
    if WHOLE_ID.fullmatch(said):
        return said
    named = list(service.jobs(limit=2, metadata={NAME_LABEL: said}))
    if named:
        return _only(said, named)
    return _only(said, _with_part(service, said) if PART.fullmatch(said) else [])


def _with_part(service: "Client", part: str) -> list["Job"]:
    return [job for job in islice(service.jobs(), LOOKED_THROUGH) if job.id.startswith(part) or job.id.endswith(part)]


def _only(said: str, jobs: list["Job"]) -> str:
    if not jobs:
        raise NoSuchJob(
            f"No job is called {said!r}, and no id of the newest {LOOKED_THROUGH:,} begins or ends like that; "
            "`ted list` shows them."
        )
    if len(jobs) > 1:
        listed = ", ".join(job.id for job in jobs[:3])
        raise SeveralJobs(f"Several jobs are called {said!r} or have such an id: {listed} … Say more of the id.")
    return jobs[0].id
