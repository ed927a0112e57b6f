"""What a succeeded job leaves: the manifest and the decisions behind it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from service.apidoc.responses import NOT_MODIFIED, PARQUET_FILE, Responses, documented_response, problem_responses
from service.http.dependencies import Caller, IfNoneMatch, JobIdParam, State
from service.http.file_response import FileRequest, respond
from ted_core.errors import TedError, TooFewRowsKept
from ted_jobs.errors import ArtifactNotReady
from ted_jobs.files.recuts import RecutStore
from ted_jobs.jobs.models import Artifact, Job
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["artifacts"])

FILE_HEADERS = {
    "ETag": "The file's SHA-256.",
    "Repr_Digest": "The whole file's SHA-256, as RFC 9530 writes it.",
    "Accept_Ranges": "bytes",
    "Content_Disposition": "A name to save the file under.",
}
FULL_RESPONSE = documented_response(200, "The Parquet file.", **FILE_HEADERS)
PARTIAL_RESPONSE = documented_response(
    206, "The part of it that was asked for.", Content_Range="Which part of how much.", **FILE_HEADERS
)
REDIRECT_RESPONSE = documented_response(
    307, "The file lies in an object store; fetch it there.", Location="A link good for a while."
)
RESPONSES: Responses = {
    200: FULL_RESPONSE[200] | PARQUET_FILE,
    206: PARTIAL_RESPONSE[206] | PARQUET_FILE,
    **REDIRECT_RESPONSE,
    **NOT_MODIFIED,
    **problem_responses(404, 409, 410, 416, 422),
}
HEAD_RESPONSES: Responses = {**FULL_RESPONSE, **NOT_MODIFIED, **problem_responses(404, 409, 410, 422)}


class RecutQuery(BaseModel):
    """Where the ranking of the rows is cut."""

    model_config = ConfigDict(extra="forbid")

    keep_ratio: Annotated[
        float | None,
        Field(
            ge=0.0001,
            le=0.9999,
            description="Fraction of the rows that is RETAINED, to four decimals, if it is not to be the job's own: "
            "the same decisions cut elsewhere, without another job. The file's metadata says what it was derived from.",
            examples=[0.5],
        ),
    ] = None


class NoQuery(BaseModel):
    """There is nothing to choose."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class PublishedFiles:
    """One job's published files."""

    job_id: str
    tenant: str
    store: JobStore
    recuts: RecutStore
    request: FileRequest

    def serve(self, kind: str) -> Response:
        """Return the file of this kind. Raises JobNotFound, ArtifactNotReady, ArtifactLost, RangeNotSatisfiable."""
        return self.respond(self.store.artifact(self.job_id, kind, tenant=self.tenant), name=kind)

    def recut(self, keep_ratio: float) -> Response:
        """Return the manifest at another ratio. Raises what ``serve`` and ``RecutStore.manifest`` raise."""
        try:
            artifact = self.recuts.manifest(self.job_id, keep_ratio=keep_ratio, tenant=self.tenant)
        except TooFewRowsKept as error:
            raise TooFewRowsKept(error.fact, field="keep_ratio") from None
        return self.respond(artifact, name=f"manifest-{keep_ratio:g}")

    def respond(self, artifact: Artifact, *, name: str) -> Response:
        """Return this file, to be saved under the name. Raises ArtifactLost, RangeNotSatisfiable."""
        return respond(self.recuts.files, artifact, self.request, filename=f"{self.job_id}-{name}.parquet")


def find_artifact(store: JobStore, job: Job, kind: str, *, absent: type[TedError]) -> Artifact:
    """Return the job's file of this kind. Raises ArtifactNotReady, and ``absent`` if waiting will not bring one."""
    try:
        return store.artifact(job.id, kind, tenant=job.tenant)
    except ArtifactNotReady:
        if job.status is JobStatus.SUCCEEDED:
            raise absent(job.id) from None
        raise


async def _published_files(
    request: Request,
    state: State,
    caller: Caller,
    job_id: JobIdParam,
    *,
    if_none_match: IfNoneMatch = None,
    range: Annotated[str | None, Header(description="One range of bytes; several are answered with all.")] = None,  # noqa: A002 — the header's name
    if_range: Annotated[str | None, Header(description="Mind `Range` only if this is still the ETag.")] = None,
) -> PublishedFiles:
    file_request = FileRequest(request.method, if_none_match, range, if_range)
    return PublishedFiles(job_id, caller.tenant, state.store, state.recuts, file_request)


ArtifactFiles = Annotated[PublishedFiles, Depends(_published_files)]


@router.head(
    "/manifest",
    operation_id="describe_manifest",
    summary="Size and digest",
    response_class=Response,
    responses=HEAD_RESPONSES,
)
@router.get(
    "/manifest",
    operation_id="download_manifest",
    summary="Download the manifest",
    response_class=Response,
    responses=RESPONSES,
)
def download_manifest(published: ArtifactFiles, cut: Annotated[RecutQuery, Query()]) -> Response:
    """The retained rows, as Parquet: all that a trainer needs. 409 before the job has succeeded.

    With `keep_ratio`, those that the same ranking retains at another ratio; made when first asked for, then kept.
    """
    return published.serve("manifest") if cut.keep_ratio is None else published.recut(cut.keep_ratio)


@router.head(
    "/decisions",
    operation_id="describe_decisions",
    summary="Size and digest",
    response_class=Response,
    responses=HEAD_RESPONSES,
)
@router.get(
    "/decisions",
    operation_id="download_decisions",
    summary="Download the decisions",
    response_class=Response,
    responses=RESPONSES,
)
def download_decisions(published: ArtifactFiles, _: Annotated[NoQuery, Query()]) -> Response:
    """Every row of the dataset with its score and why it was kept or not, as Parquet."""
    return published.serve("decisions")
