"""What a client can run into, as facts with a remedy."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from ted_client.flow import JsonObject, Response

REQUEST_URN_PREFIX = "urn:ted:request:"


class ClientError(Exception):
    """Something that the caller can mend; the message says how."""


class RequestFailed(ClientError):
    """A request came to nothing."""

    retry_after: float | None = None
    """Seconds after which the service thinks that trying again makes sense."""
    may_have_arrived = False
    """Whether an earlier try may have reached the service, its answer lost."""


class ServiceUnreachable(RequestFailed):
    """No TED service answers there. Start one with ``ted up``, or name another with --url."""


class NotATedService(ClientError):
    """What answers there is not a TED service. Check the URL."""


class NotSaved(ClientError):
    """The file could not be written. Make room, or choose another place."""


class DownloadBroken(ClientError):
    """The file that arrived is not the one that was announced. Download it again."""


class JobNotSucceeded(ClientError):
    """The job has ended without a manifest."""


class DetachedJob(ClientError):
    """This job was made by hand; ask a client for it: client.job(id)."""


class TedApiError(RequestFailed):
    """A problem (RFC 9457) that the service answered with."""

    def __init__(
        self, problem: Mapping[str, Any], *, request_id: str | None = None, retry_after: float | None = None
    ) -> None:
        self.code, self.status = str(problem.get("code", "unknown")), int(problem.get("status", 0))
        self.detail = str(problem.get("detail") or problem.get("title") or "The service refused the request.")
        self.errors: list[Mapping[str, str]] = list(problem.get("errors", []))
        self.fields: dict[str, str] = {fault["field"]: fault["message"] for fault in self.errors}
        instance = str(problem.get("instance", ""))
        self.request_id = request_id or (
            instance.removeprefix(REQUEST_URN_PREFIX) if instance.startswith(REQUEST_URN_PREFIX) else None
        )
        """What the service's log knows the request by."""
        self.retry_after = retry_after
        super().__init__(self.detail)

    @classmethod
    def of(cls, answer: Response) -> "TedApiError":
        """The problem in the answer; a made-up one where something between us and the service answered."""
        headers = answer.head.headers
        return cls(parse_problem(answer), request_id=headers.get("X-Request-ID"), retry_after=retry_after(headers))


def parse_problem(answer: Response) -> Mapping[str, Any]:
    """The problem that the answer holds, or one that says that it holds none."""
    try:
        problem = json.loads(answer.content)
    except ValueError:
        problem = None
    if isinstance(problem, dict) and "code" in problem:
        return problem
    status = answer.status
    return {"code": "not_ted", "status": status, "detail": f"{answer.head.url} answered {status}."}


def parse_json_object(answer: Response) -> JsonObject:
    """The JSON object that the answer holds. Raises NotTed."""
    try:
        facts = json.loads(answer.content)
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        raise NotATedService(f"{answer.head.url} answered {answer.status} as no TED service does. Check the URL.")
    return facts


def retry_after(headers: httpx.Headers) -> float | None:
    """The seconds that Retry-After asks for (RFC 9110, section 10.2.3: a number, or a date); None without one."""
    said = headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        at = parsedate_to_datetime(said)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
