"""A thin client: one method for each thing a job can be asked."""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from ted_client.download import Download
from ted_client.errors import JobNotSucceeded, ServiceUnreachable, TedApiError, problem_of

CONNECTION = "connection.json"
TERMINAL = frozenset({"succeeded", "failed", "cancelled", "expired"})
TIMEOUT_SECONDS = 30
FIRST_ERROR = 400


@dataclass(frozen=True)
class Job:
    """A job as the service describes it; ``facts`` is the whole answer."""

    facts: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.facts["id"])

    @property
    def status(self) -> str:
        return str(self.facts["status"])

    @property
    def progress(self) -> Mapping[str, Any]:
        """Phase, round, rounds, fraction, samples_per_second, eta_seconds; empty before the job runs."""
        return self.facts["progress"] or {}

    @property
    def result(self) -> Mapping[str, Any]:
        """Counts, digests and cost of a job that has succeeded; empty before that."""
        return self.facts["result"] or {}

    @property
    def error(self) -> Mapping[str, Any]:
        """Code, message and field of a job that has failed; empty where it has not."""
        return self.facts["error"] or {}

    @property
    def is_terminal(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in TERMINAL

    def require_success(self) -> "Job":
        """The job itself. Raises JobNotSucceeded with the service's reason."""
        if self.status != "succeeded":
            reason = self.error["message"] if self.error else self.facts["status_reason"] or ""
            raise JobNotSucceeded(f"Job {self.id} is {self.status}. {reason}".strip())
        return self


class Client:
    """A connection to a TED service. Use it as a context manager, or call :meth:`close`."""

    def __init__(self, url: str, *, key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.url = url
        self._http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS)

    @classmethod
    def from_home(cls, home: Path) -> "Client":
        """A client for the service that ``ted up`` runs in this home folder. Raises ServiceUnreachable."""
        connection = connection_in(home)
        return cls(connection["url"], key=connection.get("key"))

    def submit(self, job: Mapping[str, Any], *, idempotency_key: str | None = None) -> Job:
        """The stored job. Sending it twice with one key starts it once; a key is made where none is given."""
        key = idempotency_key or uuid.uuid4().hex
        return Job(self._ask("POST", "/v1/jobs", json=dict(job), headers={"Idempotency-Key": key}))

    def job(self, job_id: str) -> Job:
        """The job as it stands."""
        return Job(self._ask("GET", f"/v1/jobs/{job_id}"))

    def jobs(self, *, limit: int = 20) -> Iterator[Job]:
        """Jobs, newest first; at most ``limit`` of them."""
        after: str | None = None
        while limit > 0:
            page = self._ask("GET", "/v1/jobs", params={"limit": min(limit, 100)} | ({"after": after} if after else {}))
            yield from map(Job, page["data"])
            limit, after = limit - len(page["data"]), page["next"]
            if not after:
                return

    def cancel(self, job_id: str) -> Job:
        """The job, cancelled or about to be."""
        return Job(self._ask("POST", f"/v1/jobs/{job_id}/cancel"))

    def events(self, job_id: str, *, after: int = 0) -> Iterator[Mapping[str, Any]]:
        """Everything that has happened to the job after this sequence number, oldest first."""
        more = True
        while more:
            page = self._ask("GET", f"/v1/jobs/{job_id}/events", params={"after": after})
            yield from page["data"]
            after, more = page["next"], page["has_more"]

    def wait(
        self, job_id: str, *, on_progress: Callable[[Job], None] = lambda _: None, poll_seconds: float = 0.5
    ) -> Job:
        """The job once it has ended, however it has; ``on_progress`` hears of every poll."""
        while True:
            job = self.job(job_id)
            on_progress(job)
            if job.is_terminal:
                return job
            time.sleep(poll_seconds)

    def download(self, job_id: str, path: Path, *, kind: str = "manifest") -> Path:
        """The manifest (or ``kind="decisions"``) at ``path``, whole and checked against its SHA-256.

        A broken transfer is taken up where it stopped. Raises TedApiError, DownloadBroken.
        """
        return Download(self._http, f"/v1/jobs/{job_id}/{kind}", path).run()

    def report(self, job_id: str) -> Mapping[str, Any]:
        """What became of the job's rows and classes, how the selection came about, and what it cost."""
        found: Mapping[str, Any] = self._ask("GET", f"/v1/jobs/{job_id}/report")
        return found

    def report_page(self, job_id: str, path: Path) -> Path:
        """The same at ``path`` as an HTML page that needs nothing else. Raises TedApiError, DownloadBroken."""
        return Download(self._http, f"/v1/jobs/{job_id}/report", path, accept="text/html").run()

    def ready(self) -> Mapping[str, Any]:
        """Whether the service can accept jobs. Raises ServiceUnreachable."""
        health: Mapping[str, Any] = self._ask("GET", "/readyz")
        return health

    def _ask(self, method: str, url: str, **options: Any) -> Any:
        try:
            response = self._http.request(method, url, **options)
        except httpx.TransportError as error:
            raise ServiceUnreachable(
                f"{self._http.base_url} does not answer ({error}). Start it with: ted up"
            ) from error
        if response.status_code >= FIRST_ERROR:
            raise TedApiError(problem_of(response))
        return response.json()

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


def connection_in(home: Path) -> Mapping[str, Any]:
    """What ``ted up`` left in its home folder: url, pid and, once there are keys, key. Raises ServiceUnreachable."""
    try:
        connection: Mapping[str, Any] = json.loads((home / CONNECTION).read_text())
    except (OSError, ValueError) as error:
        raise ServiceUnreachable(f"Nothing runs in {home}. Start it with: ted up --home {home}") from error
    return connection
