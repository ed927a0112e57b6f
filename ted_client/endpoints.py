"""Every call to the service, each written once; ``Client`` and ``AsyncClient`` carry them out."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ted_client.download import Download
from ted_client.errors import TedApiError, parse_json_object
from ted_client.flow import READ_SECONDS, Emit, Flow, JsonObject, Request, Sleep, api_path
from ted_client.job import TERMINAL
from ted_client.retry import NOT_MODIFIED, ServiceConnection
from ted_client.sse import EventListener

NOT_FOUND, LARGEST_PAGE = 404, 100
LONG_POLL_SECONDS = 20


@dataclass(frozen=True)
class JobListParams:
    """Which jobs to list."""

    status: Sequence[str] = ()
    metadata: Mapping[str, str] | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    def params(self) -> dict[str, Any]:
        """The same as a query."""
        times = {"created_after": self.created_after, "created_before": self.created_before}
        return {
            **({"status": list(self.status)} if self.status else {}),
            **{f"metadata[{key}]": value for key, value in (self.metadata or {}).items()},
            **{name: at.astimezone(UTC).isoformat() for name, at in times.items() if at},
        }


@dataclass(frozen=True)
class Endpoints:
    """What can be asked of a service."""

    service: ServiceConnection

    # --- jobs ---------------------------------------------------------------------------------------------------------

    def submit(self, job: JsonObject, *, wait: int = 0, idempotency_key: str | None = None) -> Flow[JsonObject]:
        """The stored job."""
        return self._submit(api_path("jobs"), body=job, wait=wait, idempotency_key=idempotency_key)

    def retry(self, job_id: str, *, wait: int = 0, idempotency_key: str | None = None) -> Flow[JsonObject]:
        """The new job."""
        return self._submit(api_path("jobs", job_id, "retry"), body=None, wait=wait, idempotency_key=idempotency_key)

    def _submit(
        self, path: str, *, body: JsonObject | None, wait: int, idempotency_key: str | None
    ) -> Flow[JsonObject]:
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex, **_prefer_wait(wait)}
        return self.fetch("POST", path, headers=headers, body=body, read_seconds=READ_SECONDS + wait)

    def estimate(self, job: JsonObject) -> Flow[JsonObject]:
        """What the job would take."""
        return self.fetch("POST", api_path("jobs"), params={"validate_only": "true"}, body=job)

    def wait(self, job_id: str, *, poll_seconds: float) -> Flow[JsonObject]:
        """The job once it has ended; tells how it stands at first and whenever it has changed."""
        known: dict[str, str] = {}
        while True:
            request = Request(
                "GET", api_path("jobs", job_id), headers=known, read_seconds=READ_SECONDS + LONG_POLL_SECONDS
            )
            answer = yield from self.service.send(request)
            if answer.status != NOT_MODIFIED:
                job = parse_json_object(answer)
                yield Emit(job)
                if job["status"] in TERMINAL:
                    return job
                known = {"If-None-Match": answer.head.headers.get("ETag", '""'), **_prefer_wait(LONG_POLL_SECONDS)}
            yield Sleep(poll_seconds)

    def follow(self, job_id: str, *, after: int) -> Flow[None]:
        """Tells the job's events as they happen."""
        return EventListener(self.service, job_id, after).follow()

    def download(self, job_id: str, path: Path, *, kind: str, keep_ratio: float | None) -> Flow[Path]:
        """The file."""
        params = {} if keep_ratio is None else {"keep_ratio": keep_ratio}
        return Download(self.service, api_path("jobs", job_id, kind), path, params=params).run()

    def report_page(self, job_id: str, path: Path) -> Flow[Path]:
        """The page."""
        return Download(self.service, api_path("jobs", job_id, "report"), path, accept="text/html").run()

    # --- all the rest -------------------------------------------------------------------------------------------------

    def fetch(self, method: str, path: str, **request: Any) -> Flow[JsonObject]:
        """The JSON object that answers; ``request`` holds more fields of ``exchange.Request``."""
        answer = yield from self.service.send(Request(method, path, **request))
        return parse_json_object(answer)

    def create(self, path: str, body: JsonObject | None = None) -> Flow[JsonObject]:
        """What was made. Sent twice it may be made twice, so a broken line is not tried again."""
        return self.fetch("POST", path, body=body, repeatable=False)

    def list_all(self, path: str, **params: Any) -> Flow[Sequence[JsonObject]]:
        """All that the path lists, where it lists all at once."""
        page = yield from self.fetch("GET", path, params=params)
        found: Sequence[JsonObject] = page["data"]
        return found

    def list_pages(
        self, path: str, *, limit: int | None = None, after: str | int | None = None, **params: Any
    ) -> Flow[None]:
        """Tells all that the path lists, page by page; at most ``limit`` of it."""
        left, more = limit, is_below_limit(limit)
        while more:
            query = {**params, "limit": min(left or LARGEST_PAGE, LARGEST_PAGE)}
            page = yield from self.fetch("GET", path, params=query if after is None else {**query, "after": after})
            for one in page["data"]:
                yield Emit(one)
            left = None if left is None else left - len(page["data"])
            after, more = page["next"], page["has_more"] and is_below_limit(left)

    def delete(self, path: str) -> Flow[None]:
        """Nothing, once it is gone; also where the first try had done it and its answer was lost."""
        try:
            yield from self.service.send(Request("DELETE", path))
        except TedApiError as error:
            if not (error.may_have_arrived and error.status == NOT_FOUND):
                raise


def is_below_limit(limit: int | None) -> bool:
    """Whether there may be more."""
    return limit is None or limit > 0


def without_none(**wishes: object) -> dict[str, object]:
    """The wishes that are any."""
    return {name: wish for name, wish in wishes.items() if wish is not None}


def _prefer_wait(seconds: int) -> dict[str, str]:
    return {"Prefer": f"wait={seconds}"} if seconds else {}
