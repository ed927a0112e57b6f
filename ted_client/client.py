"""The service, asked and waited for: one method for each thing that it can be asked."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from types import TracebackType

import httpx
from rich.console import Console

from ted_client import progress as showing
from ted_client.endpoints import Endpoints, JobListParams
from ted_client.errors import ServiceUnreachable
from ted_client.flow import JsonObject, api_path
from ted_client.job import Job, ignore_progress
from ted_client.registry import RegistryClient
from ted_client.retry import DEFAULT_RETRY_POLICY, RetryPolicy, ServiceConnection
from ted_client.transport import Transport

CONNECTION_FILE = "connection.json"


class Client(RegistryClient):
    """A connection to a TED service. Use it as a context manager, or call :meth:`close`."""

    def __init__(self, url: str, *, key: str | None = None, patience: RetryPolicy = DEFAULT_RETRY_POLICY) -> None:
        self.url = url
        self._endpoints = Endpoints(ServiceConnection(url, patience))
        self._http = httpx.Client(base_url=url)
        self._transport = Transport(self._http, key=key)

    @classmethod
    def from_home(cls, home: Path, *, key: str | None = None, patience: RetryPolicy = DEFAULT_RETRY_POLICY) -> "Client":
        """A client for the service that ``ted up`` runs in this home folder. Raises ServiceUnreachable.

        The key is the one that lies there, unless another is given.
        """
        connection = read_connection(home)
        return cls(connection["url"], key=key or connection.get("key"), patience=patience)

    # --- jobs ---------------------------------------------------------------------------------------------------------

    def submit(self, job: JsonObject, *, wait: int = 0, idempotency_key: str | None = None) -> Job:
        """The stored job; with ``wait``, as it stands when it has ended or so many seconds later (60 at most).

        Sending it twice with one key starts it once; a key is made where none is given.
        """
        return self._job(
            self._transport.result(self._endpoints.submit(job, wait=wait, idempotency_key=idempotency_key))
        )

    def estimate(self, job: JsonObject) -> JsonObject:
        """Whether the job would be accepted, and what it would take. Nothing is stored."""
        return self._transport.result(self._endpoints.estimate(job))

    def job(self, job_id: str) -> Job:
        """The job as it stands."""
        return self._job(self._transport.result(self._endpoints.fetch("GET", api_path("jobs", job_id))))

    def jobs(
        self,
        *,
        limit: int | None = None,
        status: Sequence[str] = (),
        metadata: Mapping[str, str] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> Iterator[Job]:
        """Jobs, newest first; at most ``limit`` of them. A time without a zone is in this machine's."""
        wanted = JobListParams(status, metadata, created_after, created_before)
        told = self._transport.emitted(self._endpoints.list_pages(api_path("jobs"), limit=limit, **wanted.params()))
        return (self._job(facts) for facts in told)

    def cancel(self, job_id: str) -> Job:
        """The job, cancelled or about to be."""
        return self._job(self._transport.result(self._endpoints.fetch("POST", api_path("jobs", job_id, "cancel"))))

    def retry(self, job_id: str, *, wait: int = 0, idempotency_key: str | None = None) -> Job:
        """A new job like the one that has ended, of the dataset as it is now."""
        return self._job(
            self._transport.result(self._endpoints.retry(job_id, wait=wait, idempotency_key=idempotency_key))
        )

    def delete(self, job_id: str) -> None:
        """Delete a job that has ended, with its events and its files."""
        self._transport.result(self._endpoints.delete(api_path("jobs", job_id)))

    def events(self, job_id: str, *, after: int = 0) -> Iterator[JsonObject]:
        """Everything that has happened to the job after this sequence number, oldest first."""
        return self._transport.emitted(self._endpoints.list_pages(api_path("jobs", job_id, "events"), after=after))

    def follow(self, job_id: str, *, after: int = 0) -> Iterator[JsonObject]:
        """The same, and then what happens, as it does, to the job's last event; a broken line is taken up again."""
        return self._transport.emitted(self._endpoints.follow(job_id, after=after))

    def wait(
        self,
        job_id: str,
        *,
        progress: bool = False,
        on_progress: Callable[[Job], None] = ignore_progress,
        poll_seconds: float = 0.5,
    ) -> Job:
        """The job once it has ended, however it has; ``on_progress`` hears of every change.

        With ``progress``, a bar on the terminal (lines where there is none).
        """
        with showing.progress_display(Console(stderr=True)) if progress else nullcontext(ignore_progress) as show:
            for facts in self._transport.emitted(self._endpoints.wait(job_id, poll_seconds=poll_seconds)):
                job = self._job(facts)
                show(job)
                on_progress(job)
        return job

    # --- results ------------------------------------------------------------------------------------------------------

    def download(
        self, job_id: str, path: Path | str, *, kind: str = "manifest", keep_ratio: float | None = None
    ) -> Path:
        """The manifest (or ``kind="decisions"``) at ``path``, whole and checked against its SHA-256.

        With ``keep_ratio``, the manifest at another ratio, cut from the same decisions. A broken transfer is taken up
        where it stopped, by this call or the next. Raises TedApiError, DownloadBroken.
        """
        return self._transport.result(self._endpoints.download(job_id, Path(path), kind=kind, keep_ratio=keep_ratio))

    def report(self, job_id: str) -> JsonObject:
        """What became of the job's rows and classes, how the selection came about, and what it cost."""
        return self._transport.result(self._endpoints.fetch("GET", api_path("jobs", job_id, "report")))

    def report_page(self, job_id: str, path: Path | str) -> Path:
        """The same at ``path`` as an HTML page that needs nothing else. Raises TedApiError, DownloadBroken."""
        return self._transport.result(self._endpoints.report_page(job_id, Path(path)))

    # --- the service --------------------------------------------------------------------------------------------------

    def ready(self) -> JsonObject:
        """Whether the service can accept jobs. Raises ServiceUnreachable."""
        return self._transport.result(self._endpoints.fetch("GET", "/readyz"))

    def _job(self, facts: JsonObject) -> Job:
        return Job(facts, self)

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


def read_connection(home: Path) -> JsonObject:
    """What ``ted up`` left in its home folder: url, key and pid. Raises ServiceUnreachable."""
    try:
        connection: JsonObject = json.loads((home / CONNECTION_FILE).read_text())
    except (OSError, ValueError) as error:
        raise ServiceUnreachable(f"Nothing runs in {home}. Start it with: ted up --home {home}") from error
    return connection
