"""Checks the published files on a disk: whether they are all there. If they are, there is no finding.

Of files in an object store, each of which would take a request, only a client's download tells.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import Engine, select

from ted_core.storage.roots import file_store
from ted_jobs.db.engine import read_transaction
from ted_jobs.db.tables import artifacts
from ted_jobs.errors import ArtifactLost
from ted_jobs.files.artifacts import ArtifactStore, artifact_store
from ted_jobs.jobs.models import Artifact
from ted_jobs.settings import Settings
from worker.doctor.finding import Finding, warning_finding

MOST_NAMED = 5


def check_artifacts(engine: Engine, settings: Settings) -> Iterator[Finding]:
    """Yield which published files are missing or have another size than when they were published."""
    if file_store(settings.artifacts).root_type != "folder":
        return
    store, before = artifact_store(settings), _published(engine)
    lost = [artifact for artifact in before if _is_lost(store, artifact)]
    if lost:
        still_published = set(_published(engine))  # jobs may have been deleted meanwhile
        lost = [artifact for artifact in lost if artifact in still_published]
    if lost:
        yield _finding(lost, len(before))


def _published(engine: Engine) -> list[Artifact]:
    query = select(artifacts.c.kind, artifacts.c.key, artifacts.c.bytes, artifacts.c.sha256)
    with read_transaction(engine) as connection:
        return [Artifact(*row) for row in connection.execute(query)]


def _is_lost(store: ArtifactStore, artifact: Artifact) -> bool:
    try:
        store.entry(artifact)
    except ArtifactLost:
        return True
    return False


def _finding(lost: Sequence[Artifact], count: int) -> Finding:
    names = ", ".join(artifact.key for artifact in lost[:MOST_NAMED])
    more = f" and {len(lost) - MOST_NAMED:,} more" if len(lost) > MOST_NAMED else ""
    fact = f"{len(lost):,} of {count:,} published files are missing or have another size ({names}{more})"
    return warning_finding("artifacts", fact, "Restore them from a backup, or run their jobs again.")
