"""Files that no row speaks of: staged by attempts that never committed, or left over from jobs that have ended.

Folders are ``<job>/<token>/…``, as workers and the artifact store lay them out. A void token never becomes valid again
and a job that has ended publishes nothing more, so a look at the database that is a moment old removes nothing wanted.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Engine, select

from ted_jobs.database import reading
from ted_jobs.places import Place
from ted_jobs.status import HELD, JobStatus
from ted_jobs.tables import artifacts, jobs

BATCH = 200
JOB_FOLDER = re.compile(r"job_[0-9a-f]{28}")


@dataclass(frozen=True)
class Standing:
    """What the database says about a job that has a folder."""

    status: JobStatus
    token: int
    published: frozenset[str]
    """Keys of artifacts, its own among them."""

    def holds(self, key: str) -> bool:
        """Whether this is a file of an attempt that may still write, or of one that began after we looked."""
        token = key.split("/")[1]
        if not token.isdecimal():
            return False
        return int(token) > self.token or (int(token) == self.token and self.status in HELD)


Rule = Callable[[Standing, str], bool]
"""Whether a job wants the file with this key, ``<job>/<token>/<file>``."""


def in_work(standing: Standing, key: str) -> bool:
    """The rule of a work folder: nothing counts there but the present attempt."""
    return standing.holds(key)


def in_store(standing: Standing, key: str) -> bool:
    """The rule of the artifact store: what is published stays and, until its end, what a job may go on with."""
    if standing.status.is_terminal:
        return key in standing.published
    return standing.holds(key) or not key.split("/")[1].isdecimal()


def job_folders(place: Place) -> Iterator[list[str]]:
    """The names of the job folders in there, in batches. Other folders are none of our business."""
    names = iter([name for name in place.folders() if JOB_FOLDER.fullmatch(name)])
    while batch := list(islice(names, BATCH)):
        yield batch


def clear(engine: Engine, place: Place, names: Sequence[str], *, wanted: Rule, kept_seconds: float) -> int:
    """Remove from these job folders what nobody wants and is older; returns how many files and folders."""
    known, before = _standings(engine, names), time.time() - kept_seconds
    return sum(_clear(place, name, known.get(name), wanted=wanted, before=before) for name in names)


def _standings(engine: Engine, names: Sequence[str]) -> Mapping[str, Standing]:
    with reading(engine) as connection:
        rows = connection.execute(
            select(jobs.c.id, jobs.c.status, jobs.c.lease_token).where(jobs.c.id.in_(names))
        ).all()
        keys = connection.scalars(select(artifacts.c.key).where(artifacts.c.job_id.in_(names)))
        published = frozenset(keys)
    return {job_id: Standing(JobStatus(status), token, published) for job_id, status, token in rows}


def _clear(place: Place, name: str, standing: Standing | None, *, wanted: Rule, before: float) -> int:
    """Remove the orphans of one job, and the folders that this leaves empty."""
    aged = place.aged(name, before=before)  # all of them first: removing a file renews its folder
    return sum(place.remove(key) for key in reversed(aged) if _is_orphan(key, standing, wanted))


def _is_orphan(key: str, standing: Standing | None, wanted: Rule) -> bool:
    if standing is None:
        return True
    return not wanted(standing, key) if "/" in key else standing.status.is_terminal
