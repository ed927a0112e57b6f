"""What a succeeded job leaves: the manifest and the decisions behind it."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response

from service.dependencies import Artifacts, IfNoneMatch, JobId, Store, Tenant
from service.documentation import NOT_MODIFIED, PARQUET_FILE, answers, problems
from service.download import Wanted, respond
from ted_jobs.artifacts import ArtifactStore
from ted_jobs.store import JobStore

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["artifacts"])

FILE_HEADERS = {
    "ETag": "The file's SHA-256.",
    "Repr_Digest": "The whole file's SHA-256, as RFC 9530 writes it.",
    "Accept_Ranges": "bytes",
    "Content_Disposition": "A name to save the file under.",
}
WHOLE = answers(200, "The Parquet file.", **FILE_HEADERS)
PART = answers(206, "The part of it that was asked for.", Content_Range="Which part of how much.", **FILE_HEADERS)
ELSEWHERE = answers(307, "The file lies in an object store; fetch it there.", Location="A link good for a while.")
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    200: WHOLE[200] | PARQUET_FILE,
    206: PART[206] | PARQUET_FILE,
    **ELSEWHERE,
    **NOT_MODIFIED,
    **problems(404, 409, 416),
}
DESCRIBED: dict[int | str, dict[str, Any]] = {200: WHOLE[200], **NOT_MODIFIED, 404: {}, 409: {}, 500: {}, 503: {}}


@dataclass(frozen=True)
class Shelf:
    """One job's published files."""

    job_id: str
    tenant: str
    store: JobStore
    artifacts: ArtifactStore
    wanted: Wanted

    def serve(self, kind: str) -> Response:
        """The file of this kind. Raises JobNotFound, ArtifactNotReady, RangeNotSatisfiable."""
        artifact = self.store.artifact(self.job_id, kind, tenant=self.tenant)
        filename = f"{self.job_id}-{kind}.parquet"
        return respond(self.artifacts, artifact, self.wanted, filename=filename)


async def _wanted(
    request: Request,
    if_none_match: IfNoneMatch = None,
    range: Annotated[str | None, Header(description="One range of bytes; several are answered with all.")] = None,  # noqa: A002 — the header's name
    if_range: Annotated[str | None, Header(description="Mind `Range` only where this is still the ETag.")] = None,
) -> Wanted:
    return Wanted(request.method, if_none_match, range, if_range)


async def _shelf(
    job_id: JobId, tenant: Tenant, store: Store, artifacts: Artifacts, wanted: Annotated[Wanted, Depends(_wanted)]
) -> Shelf:
    return Shelf(job_id, tenant, store, artifacts, wanted)


Published = Annotated[Shelf, Depends(_shelf)]


@router.head("/manifest", operation_id="describe_manifest", summary="Size and digest", responses=DESCRIBED)
@router.get("/manifest", operation_id="download_manifest", summary="Download the manifest", responses=DOCUMENTED)
def manifest(published: Published) -> Response:
    """The retained rows, as Parquet: all that a trainer needs. 409 before the job has succeeded."""
    return published.serve("manifest")


@router.head("/decisions", operation_id="describe_decisions", summary="Size and digest", responses=DESCRIBED)
@router.get("/decisions", operation_id="download_decisions", summary="Download the decisions", responses=DOCUMENTED)
def decisions(published: Published) -> Response:
    """Every row of the dataset with its score and why it was kept or not, as Parquet."""
    return published.serve("decisions")
