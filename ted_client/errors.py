"""What a client can run into, as facts with a remedy."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ted_client.flow import JsonObject, Response
from ted_core.retry_after import parse_retry_after

if TYPE_CHECKING:
    import httpx

REQUEST_URN_PREFIX = "urn:ted:request:"


class ClientError(Exception):
    """Something that the caller can mend; the message says how."""


class RequestFailed(ClientError):
    """A request was not answered as it should be."""

    retry_after: float | None = None
    """Seconds after which the service suggests to try again."""
    may_have_arrived = False
    """Whether an earlier try may have reached the service, and only its response was lost."""


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
    """The job was made without a client, which would be needed to ask the service about it."""

    def __init__(self) -> None:
        super().__init__("This job was made by hand; ask a client for it: client.job(id).")


class TedApiError(RequestFailed):
    """The service responded with a problem (RFC 9457)."""

    def __init__(
        self, problem: Mapping[str, Any], *, request_id: str | None = None, retry_after: float | None = None
    ) -> None:
        self.code = str(problem.get("code", "unknown"))
        self.status = int(problem.get("status", 0))
        self.detail = str(problem.get("detail") or problem.get("title") or "The service refused the request.")
        self.errors: list[Mapping[str, str]] = list(problem.get("errors", []))
        self.fields: dict[str, str] = {fault["field"]: fault["message"] for fault in self.errors}
        instance = str(problem.get("instance", ""))
        self.request_id = request_id or (
            instance.removeprefix(REQUEST_URN_PREFIX) if instance.startswith(REQUEST_URN_PREFIX) else None
        )
        """The id of the request in the service's log."""
        self.retry_after = retry_after
        super().__init__(self.detail)

    @classmethod
    def of(cls, response: Response) -> "TedApiError":
        """Return the problem in the response, or one that says that no TED service sent it."""
        headers = response.head.headers
        return cls(parse_problem(response), request_id=headers.get("X-Request-ID"), retry_after=retry_after(headers))


def parse_problem(response: Response) -> Mapping[str, Any]:
    """Return the problem in the response, or one that says that it holds none."""
    problem = parse_json(response.content)
    if isinstance(problem, dict) and "code" in problem:
        return problem
    detail = f"{response.head.url} answered {response.status}."
    return {"code": "not_ted", "status": response.status, "detail": detail}


def parse_json_object(response: Response) -> JsonObject:
    """Return the JSON object in the response. Raise NotATedService if it holds none."""
    facts = parse_json(response.content)
    if not isinstance(facts, dict):
        raise NotATedService(f"{response.head.url} answered {response.status} as no TED service does. Check the URL.")
    return facts


def parse_json(content: bytes) -> Any:
    """Return what the JSON says; None also if it is none, or nested too deeply to be read."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def retry_after(headers: "httpx.Headers") -> float | None:
    """Return the seconds that ``Retry-After`` asks for; None if it is absent or unreadable."""
    return parse_retry_after(headers.get("Retry-After", ""), now=datetime.now(UTC))
