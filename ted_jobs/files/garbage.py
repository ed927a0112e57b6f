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

BATCH = 1000
REMOVAL_SECONDS = 1.0
"""How long one sweep may last: a store takes its time over every listing, and the sweeper has leases to look after."""
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
"""Whether a job keeps the file with this key, ``<job>/<token>/<file>``."""


def keep_in_work_folder(state: JobFileState, key: str) -> bool:
    """The rule of a work folder: keep the files of the present attempt only."""
    return state.may_be_in_use(key)


def keep_in_artifact_store(state: JobFileState, key: str) -> bool:
    """The rule of the artifact store: keep what is published and, until the job ends, what it may resume from."""
    if state.status.is_terminal:
        return key in state.published
    return state.may_be_in_use(key) or not key.split("/")[1].isdecimal()


def job_folder_batches(files: FileStore) -> Iterator[list[str]]:
    """The names of the job folders at the top, in batches. Other folders are none of our business."""
    yield from _folder_batches(files.names())


def _folder_batches(names: Sequence[str]) -> Iterator[list[str]]:
    folders = iter([name for name in names if JOB_FOLDER.fullmatch(name)])
    while batch := list(islice(folders, BATCH)):
        yield batch


def remove_orphans(
    engine: Engine, files: FileStore, names: Sequence[str], *, keep: KeepRule, kept_seconds: float
) -> int:
    """Remove from these job folders what no job keeps and is older; returns how many files and folders."""
    return sum(orphan_removals(engine, files, names, keep=keep, kept_seconds=kept_seconds))


def orphan_removals(
    engine: Engine, files: FileStore, names: Sequence[str], *, keep: KeepRule, kept_seconds: float
) -> Iterator[int]:
    """See ``remove_orphans``: how many files and folders of one job folder after another."""
    states, before = _file_states(engine, names), time.time() - kept_seconds
    for name in names:
        yield _remove_orphans_of_job(files, name, states.get(name), keep=keep, before=before)


def _file_states(engine: Engine, names: Sequence[str]) -> Mapping[str, JobFileState]:
    with read_transaction(engine) as connection:
        rows = connection.execute(
            select(jobs.c.id, jobs.c.status, jobs.c.lease_token).where(jobs.c.id.in_(names))
        ).all()
        keys = connection.scalars(select(artifacts.c.key).where(artifacts.c.job_id.in_(names)))
        published = frozenset(keys)
    return {job_id: JobFileState(JobStatus(status), token, published) for job_id, status, token in rows}


def _remove_orphans_of_job(
    files: FileStore, name: str, state: JobFileState | None, *, keep: KeepRule, before: float
) -> int:
    """Remove the orphans of one job, and the folders that this leaves empty."""
    keys = files.old_keys(name, before=before)  # all of them first: removing a file renews its folder
    return sum(files.delete(key) for key in reversed(keys) if _is_orphan(key, state, keep))


def orphan_keys(engine: Engine, files: FileStore, names: Sequence[str], *, keep: KeepRule) -> list[str]:
    """The keys of what ``remove_orphans`` would remove from these job folders, however young."""
    states, before = _file_states(engine, names), time.time()
    keys = [key for name in names for key in files.old_keys(name, before=before)]
    return [key for key in keys if _is_orphan(key, states.get(key.split("/")[0]), keep)]


def _is_orphan(key: str, state: JobFileState | None, keep: KeepRule) -> bool:
    if state is None:
        return True
    return not keep(state, key) if "/" in key else state.status.is_terminal


class OrphanSweep:
    """Removes orphans from the artifact store, one batch of job folders at a time, over and over.

    Nothing is removed if another installation has left its marker: names do not tell whose the files are.
    """

    def __init__(self, files: FileStore, *, kept_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.files, self.kept_seconds, self.clock = files, kept_seconds, clock
        self._batches: Iterator[list[str]] = iter(())
        self._remaining: list[str] = []
        self._due, self._warned = float("-inf"), False

    def __call__(self, engine: Engine) -> int:
        """Continue for about a second, unless it is too soon; returns how many files and folders were removed."""
        names = self._remaining or self._next_batch(engine)
        self._remaining = []  # if the store fails, the rest waits until all folders have been looked at again
        removed, deadline = 0, self.clock() + REMOVAL_SECONDS
        removals = orphan_removals(
            engine, self.files, names, keep=keep_in_artifact_store, kept_seconds=self.kept_seconds
        )
        for done, count in enumerate(removals, start=1):
            removed += count
            if self.clock() > deadline:
                self._remaining = names[done:]
                break
        return removed

    def _next_batch(self, engine: Engine) -> list[str]:
        """The next batch; an empty one before its time."""
        if self.clock() < self._due:
            return []
        self._due = self.clock() + self.files.pause_seconds
        batch = next(self._batches, None)
        if batch is None:
            names = self.files.names()
            self._batches = _folder_batches(names) if self._is_only_installation(engine, names) else iter(())
            batch = next(self._batches, [])
        return batch

    def _is_only_installation(self, engine: Engine, names: Sequence[str]) -> bool:
        """Whether no other installation publishes here; our own marker tells the others that we do."""
        own = own_marker(engine)
        if names and own not in names:
            self.files.write_marker(own)
        others = other_markers(names, own=own)
        if others and not self._warned:
            log.error("orphans stay: another installation publishes there", marks=others)
        self._warned = bool(others)
        return not others
