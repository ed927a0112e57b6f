"""What a client can run into, as facts with a remedy."""

from collections.abc import Mapping
from typing import Any

import httpx


class ClientError(Exception):
    """Something that the caller can mend; the message says how."""


class ServiceUnreachable(ClientError):
    """No TED service answers there. Start one with ``ted up``, or name another with --url."""


class DownloadBroken(ClientError):
    """The file that arrived is not the one that was announced. Download it again."""


class JobNotSucceeded(ClientError):
    """The job has ended without a manifest."""


class TedApiError(ClientError):
    """A problem (RFC 9457) that the service answered with."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        self.code, self.status = str(problem.get("code", "unknown")), int(problem.get("status", 0))
        self.fields: dict[str, str] = {fault["field"]: fault["message"] for fault in problem.get("errors", [])}
        super().__init__(str(problem.get("detail") or problem.get("title") or "The service refused the request."))


def problem_of(response: httpx.Response) -> Mapping[str, Any]:
    """The problem in the response; a made-up one where something between us and the service answered."""
    try:
        problem: Mapping[str, Any] = response.json()
    except ValueError:
        return {
            "code": "not_ted",
            "status": response.status_code,
            "detail": f"{response.url} answered {response.status_code}.",
        }
    return problem
