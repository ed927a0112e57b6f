"""Rows whose labels look wrong: page by page, or the whole list as a file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from service.apidoc.responses import NOT_MODIFIED, PARQUET_FILE, Responses, documented_response, problem_responses
from service.endpoints.artifacts import (
    PARTIAL_RESPONSE,
    REDIRECT_RESPONSE,
    ArtifactFiles,
    PublishedFiles,
    find_artifact,
)
from service.http.bodies import JSON, json_response
from service.http.dependencies import Accept, Caller, JobIdParam, State
from service.http.errors import NoSuspects
from service.http.file_response import MEDIA_TYPE as PARQUET
from service.http.negotiation import preferred_media_type
from service.http.paging import read_page
from service.schemas.suspects import Suspect, SuspectList
from ted_core.results.provenance import LabelNoise, ProxyAccuracy
from ted_jobs.files.intact import IntactFiles
from ted_jobs.jobs.models import Artifact, Job

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["artifacts"])

KIND = "suspects"
LARGEST_PAGE = 1000
MOST_PASSED_OVER = 2**53
VARY = {"Vary": "Accept"}

OK_RESPONSE = documented_response(
    200, "A page of rows as JSON, or all of them as a Parquet file: then with these headers.", Vary="Accept"
)
RESPONSES: Responses = {
    200: OK_RESPONSE[200] | PARQUET_FILE,
    206: PARTIAL_RESPONSE[206] | PARQUET_FILE,
    **REDIRECT_RESPONSE,
    **NOT_MODIFIED,
    **problem_responses(404, 409, 410, 416, 422),
}
RESPONSES[404] |= {"description": "There is no such job, or it was run by a version that listed no suspects."}


class SuspectQuery(BaseModel):
    """Which rows of the list."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[int, Field(ge=0, lt=MOST_PASSED_OVER, description="`next` of the page before.")] = 0
    limit: Annotated[int, Field(ge=1, le=LARGEST_PAGE, description="Of a JSON page; the file has all rows.")] = 100


@dataclass(frozen=True)
class Suspects:
    """One job's list, as one client asks for it."""

    job: Job
    artifact: Artifact
    files: IntactFiles
    published: PublishedFiles
    query: SuspectQuery

    def page(self) -> Response:
        """Return a page as JSON. Raises ArtifactLost."""
        page = read_page(self._read, self.query.limit)
        noise = self._label_noise()
        listed = SuspectList(
            data=list(page.rows),
            has_more=page.has_more,
            next=page.next(lambda suspect: suspect.rank),
            label_noise=noise,
            note=None if noise else self._note(),
        )
        return json_response(listed, headers=VARY)

    def file(self) -> Response:
        """Return all rows as a Parquet file. Raises what ``PublishedFiles.respond`` raises."""
        response = self.published.respond(self.artifact, name=KIND)
        response.headers.update(VARY)
        return response

    def _read(self, limit: int) -> list[Suspect]:
        from ted_core.results.suspects.listing import read_suspects  # noqa: PLC0415 - what writes the list loads much

        after = self.query.after
        with self.files.open(self.artifact) as file:
            rows = read_suspects(file, after=after, limit=limit).to_pylist()
        return [Suspect(rank=rank, **row) for rank, row in enumerate(rows, start=after + 1)]

    def _label_noise(self) -> LabelNoise | None:
        noise = self._result("label_noise")
        return noise and LabelNoise.model_validate(noise)

    def _note(self) -> str:
        from ted_core.results.proxy_accuracy import is_believed  # noqa: PLC0415 - it computes with arrays
        from ted_core.results.suspects.label_noise import why_no_estimate  # noqa: PLC0415 - it computes with arrays

        told, spec = self._result("proxy_accuracy"), self.job.spec
        has_learned = is_believed(ProxyAccuracy.model_validate(told) if told else None)
        return why_no_estimate(method=spec.plan.method, task=spec.dataset.task, has_learned=has_learned)

    def _result(self, name: str) -> Any:
        return (self.job.result or {}).get(name)


def _suspects(
    state: State, caller: Caller, job_id: JobIdParam, query: Annotated[SuspectQuery, Query()], published: ArtifactFiles
) -> Suspects:
    job = state.store.job(job_id, tenant=caller.tenant)
    artifact = find_artifact(state.store, job, KIND, absent=NoSuspects)
    return Suspects(job, artifact, state.files, published, query)


RENDERERS: Mapping[str, Callable[[Suspects], Response]] = {JSON: Suspects.page, PARQUET: Suspects.file}


@router.get(
    "/suspects",
    response_model=SuspectList,
    operation_id="list_suspects",
    summary="List the rows whose labels look wrong",
    responses=RESPONSES,
)
def list_suspects(suspects: Annotated[Suspects, Depends(_suspects)], accept: Accept = None) -> Response:
    """Rows to which models that never saw them give another class than their label, the most suspicious first.

    At most 100,000 rows are listed. `label_noise` says how many labels look wrong altogether; where the job measured
    nothing, the list is empty and `note` says why. 409 before the job has succeeded.

    With `Accept: application/vnd.apache.parquet`, the whole list as a file, like the manifest.
    """
    return RENDERERS[preferred_media_type(accept, list(RENDERERS))](suspects)
