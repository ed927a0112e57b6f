"""The report of a succeeded job: for programs as JSON, for people as a page."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Response

from service.apidoc.responses import HTML_PAGE, NOT_MODIFIED, Responses, documented_response, problem_responses
from service.endpoints.artifacts import find_artifact
from service.http.authentication import Principal
from service.http.bodies import JSON
from service.http.conditional import digest_headers, etag_matches
from service.http.dependencies import Accept, Caller, IfNoneMatch, JobIdParam, State
from service.http.errors import NoReport
from service.http.negotiation import preferred_media_type
from ted_core.results.report import Report
from ted_jobs.jobs.models import Artifact
from ted_jobs.jobs.store import JobStore

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["artifacts"])

KIND = "report"
HTML = "text/html"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""The page holds its own pictures and needs nothing else. If a name in it were taken for markup, it could neither run
nor load anything."""


@dataclass(frozen=True)
class RenderedReport:
    """The report in one of its forms."""

    body: bytes
    sha256: str
    headers: Mapping[str, str]


def _as_json(stored: bytes, artifact: Artifact) -> RenderedReport:
    return RenderedReport(stored, artifact.sha256, {})


def _as_page(stored: bytes, _: Artifact) -> RenderedReport:
    from ted_core.results import report_page  # noqa: PLC0415 - Jinja is loaded with the first page

    body = report_page.render(Report.model_validate_json(stored)).encode()
    return RenderedReport(body, hashlib.sha256(body).hexdigest(), {"Content-Security-Policy": CONTENT_SECURITY_POLICY})


RENDERERS: Mapping[str, Callable[[bytes, Artifact], RenderedReport]] = {
    JSON: _as_json,
    HTML: _as_page,
}
FILE_ENDINGS = {JSON: "json", HTML: "html"}

OK_RESPONSE = documented_response(
    200,
    "The report, as JSON unless the client prefers HTML.",
    ETag="The SHA-256 of this form of the report.",
    Repr_Digest="The same, as RFC 9530 writes it.",
    Vary="Accept",
    Content_Disposition="A name to save it under.",
)
NOT_FOUND_DESCRIPTION = "There is no such job, or it was run by a version that wrote no reports."
RESPONSES: Responses = {
    200: OK_RESPONSE[200] | HTML_PAGE,
    **NOT_MODIFIED,
    **problem_responses(404, 409, 410),
}
RESPONSES[404] |= {"description": NOT_FOUND_DESCRIPTION}


def _report_artifact(store: JobStore, job_id: str, caller: Principal) -> Artifact:
    """Return the stored report. Raises JobNotFound, ArtifactNotReady, and NoReport if waiting will not bring one."""
    return find_artifact(store, store.job(job_id, tenant=caller.tenant), KIND, absent=NoReport)


@router.get(
    "/report", response_model=Report, operation_id="read_report", summary="Read the report", responses=RESPONSES
)
def read_report(
    job_id: JobIdParam, caller: Caller, state: State, accept: Accept = None, if_none_match: IfNoneMatch = None
) -> Response:
    """What became of the rows and classes, how the selection came about, and what it cost. 409 before success.

    With `Accept: text/html`, as browsers send it, a page that needs nothing else.
    """
    artifact = _report_artifact(state.store, job_id, caller)
    media_type = preferred_media_type(accept, list(RENDERERS))
    report = RENDERERS[media_type](state.files.read(artifact), artifact)
    headers = _headers(report, f"{job_id}-report.{FILE_ENDINGS[media_type]}")
    if etag_matches(headers["ETag"], if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(report.body, headers=headers, media_type=media_type)


def _headers(report: RenderedReport, filename: str) -> dict[str, str]:
    return {
        **digest_headers(report.sha256),
        "Vary": "Accept",
        "Content-Disposition": f'inline; filename="{filename}"',
        "X-Content-Type-Options": "nosniff",
        **report.headers,
    }
