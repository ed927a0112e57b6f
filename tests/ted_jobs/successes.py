"""Jobs that have succeeded without having run: claimed, and finished with files of the test's own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ted_core.storage.file_store import StorageRoot
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.jobs.leases import Leases


def succeed(
    job_id: str,
    files: Mapping[str, Path],
    *,
    leases: Leases,
    artifacts: StorageRoot,
    result: Mapping[str, Any] | None = None,
) -> None:
    """Claim the job, and finish it with these files, by their kinds."""
    claim = leases.claim(job_id, worker="w")
    assert claim
    assert claim.job.id == job_id
    leases.begin_finalizing(claim)
    store = ArtifactStore(artifacts)
    published = [
        store.put_attempt_file(file, job_id=job_id, token=claim.token, kind=kind) for kind, file in files.items()
    ]
    leases.finish(claim, published=published, result=dict(result or {}))
