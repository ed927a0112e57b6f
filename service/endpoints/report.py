"""The report of a succeeded job: for programs as JSON, for people as a page."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response

from service import report_page
from service.apidoc.document import HTML_PAGE, NOT_MODIFIED, documented_response, problem_responses
from service.http.conditional import digest_headers, etag_matches
from service.http.errors import NoReport
from service.http.negotiation import preferred
from service.http.parameters import IfNoneMatch, JobIdParam
from service.http.request import AuthenticatedRequest, AuthenticatedRoute
from ted_core.results.report import Report
from ted_jobs.errors import ArtifactNotReady
from ted_jobs.jobs.models import Artifact
from ted_jobs.jobs.status import JobStatus

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["artifacts"], route_class=AuthenticatedRoute)

KIND = "report"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page brings all it needs; a name in it that were taken for markup could neither run nor load anything."""


@dataclass(frozen=True)
class RenderedReport:
    """The report in one of its forms."""

    body: bytes
    sha256: str
    headers: Mapping[str, str]


def _as_json(stored: bytes, artifact: Artifact) -> RenderedReport:
    return RenderedReport(stored, artifact.sha256, {})


def _as_page(stored: bytes, _: Artifact) -> RenderedReport:
    body = report_page.render(Report.model_validate_json(stored)).encode()
    return RenderedReport(body, hashlib.sha256(body).hexdigest(), {"Content-Security-Policy": CONTENT_SECURITY_POLICY})


RENDERERS: Mapping[str, Callable[[bytes, Artifact], RenderedReport]] = {
    "application/json": _as_json,
    "text/html": _as_page,
}
FILE_ENDINGS = {"application/json": "json", "text/html": "html"}

OK_RESPONSE = documented_response(
    200,
    "The report, as JSON unless the client would rather have HTML.",
    ETag="The SHA-256 of this form of the report.",
    Repr_Digest="The same, as RFC 9530 writes it.",
    Vary="Accept",
    Content_Disposition="A name to save it under.",
)
NOT_FOUND_DESCRIPTION = "There is no such job, or it was run by a version that wrote no reports."
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: OK_RESPONSE[200] | HTML_PAGE,
    **NOT_MODIFIED,
    **problem_responses(404, 409),
}
RESPONSES[404] |= {"description": NOT_FOUND_DESCRIPTION}


def _report_artifact(visit: AuthenticatedRequest, job_id: str) -> Artifact:
    """The stored report. Raises JobNotFound, ArtifactNotReady, and NoReport where waiting will not bring one."""
    store = visit.app_state.store
    try:
        return store.artifact(job_id, KIND, tenant=visit.tenant)
    except ArtifactNotReady:
        if store.job(job_id, tenant=visit.tenant).status is JobStatus.SUCCEEDED:
            raise NoReport(job_id) from None
        raise


@router.get(
    "/report", response_model=Report, operation_id="read_report", summary="Read the report", responses=RESPONSES
)
def read_report(
    visit: AuthenticatedRequest,
    job_id: JobIdParam,
    accept: Annotated[str | None, Header(include_in_schema=False)] = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """What became of the rows and classes, how the selection came about, and what it cost. 409 before success.

    With `Accept: text/html`, as browsers send it, a page that needs nothing else.
    """
    media_type, artifact = preferred(accept, list(RENDERERS)), _report_artifact(visit, job_id)
    with visit.app_state.artifacts.open(artifact) as file:
        shown = RENDERERS[media_type](file.read(), artifact)
    headers = _headers(shown, f"{job_id}-report.{FILE_ENDINGS[media_type]}")
    if etag_matches(headers["ETag"], if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(shown.body, headers=headers, media_type=media_type)


def _headers(shown: RenderedReport, filename: str) -> dict[str, str]:
    return {
        **digest_headers(shown.sha256),
        "Vary": "Accept",
        "Content-Disposition": f'inline; filename="{filename}"',
        "X-Content-Type-Options": "nosniff",
        **shown.headers,
    }
