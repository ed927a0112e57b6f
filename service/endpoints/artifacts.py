"""Download what a job produced."""

import base64
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from fastapi.responses import FileResponse

from service.dependencies import Artifacts, JobId, Store, Tenant
from service.responses import not_modified, problems
from ted_jobs.artifacts import ArtifactStore
from ted_jobs.job import Artifact

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["artifacts"])

PARQUET = "application/vnd.apache.parquet"
RESPONSES: dict[int | str, dict[str, Any]] = problems(404, 409, 416, 422) | {
    200: {"description": "The whole file.", "content": {PARQUET: {"schema": {"type": "string", "format": "binary"}}}},
    206: {"description": "The range that was asked for."},
    304: {"description": "The client's copy is the newest; it never changes."},
}

IfNoneMatch = Annotated[str | None, Header()]


@router.head("/manifest", include_in_schema=False)
@router.get("/manifest", operation_id="downloadManifest", summary="Download the retained rows", responses=RESPONSES)
def manifest(
    job_id: JobId, store: Store, files: Artifacts, tenant: Tenant, if_none_match: IfNoneMatch = None
) -> Response:
    """One Parquet row per retained row of the dataset. Ranges and conditional requests work; ETag is the SHA-256."""
    return _download(
        store.artifact(job_id, "manifest", tenant=tenant), files, job_id=job_id, if_none_match=if_none_match
    )


@router.head("/decisions", include_in_schema=False)
@router.get("/decisions", operation_id="downloadDecisions", summary="Download every decision", responses=RESPONSES)
def decisions(
    job_id: JobId, store: Store, files: Artifacts, tenant: Tenant, if_none_match: IfNoneMatch = None
) -> Response:
    """One Parquet row per row of the dataset: kept or not, its score, and why."""
    return _download(
        store.artifact(job_id, "decisions", tenant=tenant), files, job_id=job_id, if_none_match=if_none_match
    )


def _download(artifact: Artifact, files: ArtifactStore, *, job_id: str, if_none_match: str | None) -> Response:
    digest = base64.b64encode(bytes.fromhex(artifact.sha256)).decode()
    headers = {
        "ETag": f'"{artifact.sha256}"',
        "Repr-Digest": f"sha-256=:{digest}:",
        "Cache-Control": "private, immutable, max-age=31536000",
    }
    if not_modified(headers["ETag"], if_none_match):
        return Response(status_code=304, headers=headers)
    name = f"{job_id}-{artifact.kind}.parquet"
    return FileResponse(files.locate(artifact), headers=headers, media_type=PARQUET, filename=name)
