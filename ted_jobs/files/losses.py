"""Published files that prove to be lost: the operator must know, and so must the log and the metrics."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import structlog
from cachetools import LRUCache
from sqlalchemy import Engine, select

from ted_jobs.db.counters import ARTIFACTS_LOST, increment_counter
from ted_jobs.db.engine import read_transaction, write_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.errors import ArtifactLost, JobNotFound
from ted_jobs.jobs.models import Artifact

log = structlog.get_logger()

MOST_REMEMBERED = 10_000


class LossReporter:
    """Logs and counts every lost file once, however often clients ask for it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._reported: LRUCache[str, bool] = LRUCache(MOST_REMEMBERED)
        self._lock = Lock()

    @contextmanager
    def watching(self, artifact: Artifact) -> Iterator[None]:
        """Report the loss if the block raises ArtifactLost. Raise JobNotFound if the file went with its job."""
        try:
            yield
        except ArtifactLost as error:
            self._check_job_exists(artifact.key.partition("/")[0])
            if self._is_new(artifact.key):
                self._report(artifact, error)
            raise

    def _check_job_exists(self, job_id: str) -> None:
        with read_transaction(self.engine) as connection:
            if connection.scalar(select(jobs.c.id).where(jobs.c.id == job_id)) is None:
                raise JobNotFound(job_id)

    def _is_new(self, key: str) -> bool:
        with self._lock:
            is_new = key not in self._reported
            self._reported[key] = True
            return is_new

    def _report(self, artifact: Artifact, error: ArtifactLost) -> None:
        log.error("artifact lost", kind=artifact.kind, key=artifact.key, reason=error.fact)
        with write_transaction(self.engine) as connection:
            increment_counter(connection, ARTIFACTS_LOST)
