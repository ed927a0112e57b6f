"""Files that no row speaks of: staged by attempts that never committed, or left over from jobs that have ended.

Folders are ``<job>/<token>/…``, as workers and the artifact store lay them out. A void token never becomes valid again
and a job that has ended publishes nothing more, so a look at the database that is a moment old removes nothing wanted.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import structlog
from sqlalchemy import Engine, select

from ted_core.storage.file_store import FileStore
from ted_jobs.db.engine import read_transaction
from ted_jobs.db.tables import artifacts, jobs
from ted_jobs.files.installation import other_markers, own_marker
from ted_jobs.jobs.status import LEASED_STATUSES, JobStatus

log = structlog.get_logger()

BATCH = 200
REMOVAL_SECONDS = 1.0
"""A store takes its time over every listing, and whoever sweeps has leases to look after."""
JOB_FOLDER = re.compile(r"job_[0-9a-f]{28}")


@dataclass(frozen=True)
class JobFileState:
    """What the database says about a job that has a folder."""

    status: JobStatus
    token: int
    published: frozenset[str]
    """Keys of artifacts, its own among them."""

    def may_be_in_use(self, key: str) -> bool:
        """Whether this is a file of an attempt that may still write, or of one that began after we looked."""
        token = key.split("/")[1]
        if not token.isdecimal():
            return False
        return int(token) > self.token or (int(token) == self.token and self.status in LEASED_STATUSES)


KeepRule = Callable[[JobFileState, str], bool]
"""Whether a job wants the file with this key, ``<job>/<token>/<file>``."""


def keep_in_work_folder(standing: JobFileState, key: str) -> bool:
    """The rule of a work folder: nothing counts there but the present attempt."""
    return standing.may_be_in_use(key)


def keep_in_artifact_store(standing: JobFileState, key: str) -> bool:
    """The rule of the artifact store: what is published stays and, until its end, what a job may go on with."""
    if standing.status.is_terminal:
        return key in standing.published
    return standing.may_be_in_use(key) or not key.split("/")[1].isdecimal()


def job_folder_batches(place: FileStore) -> Iterator[list[str]]:
    """The names of the job folders in there, in batches. Other folders are none of our business."""
    yield from _folder_batches(place.names())


def _folder_batches(names: Sequence[str]) -> Iterator[list[str]]:
    folders = iter([name for name in names if JOB_FOLDER.fullmatch(name)])
    while batch := list(islice(folders, BATCH)):
        yield batch


def remove_orphans(
    engine: Engine, place: FileStore, names: Sequence[str], *, wanted: KeepRule, kept_seconds: float
) -> int:
    """Remove from these job folders what nobody wants and is older; returns how many files and folders."""
    return sum(orphan_removals(engine, place, names, wanted=wanted, kept_seconds=kept_seconds))


def orphan_removals(
    engine: Engine, place: FileStore, names: Sequence[str], *, wanted: KeepRule, kept_seconds: float
) -> Iterator[int]:
    """See ``remove_orphans``: how many files and folders of one job folder after another."""
    known, before = _file_states(engine, names), time.time() - kept_seconds
    for name in names:
        yield _remove_orphans_of_job(place, name, known.get(name), wanted=wanted, before=before)


def _file_states(engine: Engine, names: Sequence[str]) -> Mapping[str, JobFileState]:
    with read_transaction(engine) as connection:
        rows = connection.execute(
            select(jobs.c.id, jobs.c.status, jobs.c.lease_token).where(jobs.c.id.in_(names))
        ).all()
        keys = connection.scalars(select(artifacts.c.key).where(artifacts.c.job_id.in_(names)))
        published = frozenset(keys)
    return {job_id: JobFileState(JobStatus(status), token, published) for job_id, status, token in rows}


def _remove_orphans_of_job(
    place: FileStore, name: str, standing: JobFileState | None, *, wanted: KeepRule, before: float
) -> int:
    """Remove the orphans of one job, and the folders that this leaves empty."""
    aged = place.old_keys(name, before=before)  # all of them first: removing a file renews its folder
    return sum(place.delete(key) for key in reversed(aged) if _is_orphan(key, standing, wanted))


def orphan_keys(engine: Engine, place: FileStore, names: Sequence[str], *, wanted: KeepRule) -> list[str]:
    """The keys of what ``remove_orphans`` would remove from these job folders, however young."""
    known, before = _file_states(engine, names), time.time()
    found = [key for name in names for key in place.old_keys(name, before=before)]
    return [key for key in found if _is_orphan(key, known.get(key.split("/")[0]), wanted)]


def _is_orphan(key: str, standing: JobFileState | None, wanted: KeepRule) -> bool:
    if standing is None:
        return True
    return not wanted(standing, key) if "/" in key else standing.status.is_terminal


class OrphanSweep:
    """Looks through the job folders of the artifact store, a batch at a time, round and round.

    Nothing is removed where another installation has left its mark: whose the files are, their names do not tell.
    """

    def __init__(self, place: FileStore, *, kept_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.folders, self.kept_seconds, self.clock = place, kept_seconds, clock
        self._batches: Iterator[list[str]] = iter(())
        self._remaining: list[str] = []
        self._due, self._warned = float("-inf"), False

    def __call__(self, engine: Engine) -> int:
        """Go on for about a second, unless it is too soon; returns how many files and folders were removed."""
        names, self._remaining = (
            self._remaining or self._next_batch(engine),
            [],
        )  # of a store that fails, the rest waits a round
        removed, until = 0, self.clock() + REMOVAL_SECONDS
        clearer = orphan_removals(
            engine, self.folders, names, wanted=keep_in_artifact_store, kept_seconds=self.kept_seconds
        )
        for looked_at, count in enumerate(clearer, start=1):
            removed += count
            if self.clock() > until:
                self._remaining = names[looked_at:]
                break
        return removed

    def _next_batch(self, engine: Engine) -> list[str]:
        """The next batch; none before its time."""
        if self.clock() < self._due:
            return []
        self._due = self.clock() + self.folders.pause_seconds
        batch = next(self._batches, None)
        if batch is None:
            names = self.folders.names()
            self._batches = _folder_batches(names) if self._is_only_installation(engine, names) else iter(())
            batch = next(self._batches, [])
        return batch

    def _is_only_installation(self, engine: Engine, names: Sequence[str]) -> bool:
        """Whether no other installation publishes here; our own mark tells the others that we do."""
        own = own_marker(engine)
        if names and own not in names:
            self.folders.write_marker(own)
        found = other_markers(names, own=own)
        if found and not self._warned:
            log.error("orphans stay: another installation publishes there", marks=found)
        self._warned = bool(found)
        return not found
