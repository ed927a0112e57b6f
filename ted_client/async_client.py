"""The service, asked without a thread that waits: one method for each thing that it can be asked."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from types import TracebackType

import httpx
from rich.console import Console

from ted_client import progress as showing
from ted_client.async_registry import AsyncRegistryClient
from ted_client.client import read_connection
from ted_client.endpoints import Endpoints, JobListParams
from ted_client.flow import JsonObject, api_path
from ted_client.job import AsyncJob, ignore_progress
from ted_client.retry import DEFAULT_RETRY_POLICY, RetryPolicy, ServiceConnection
from ted_client.transport import AsyncTransport


class AsyncClient(AsyncRegistryClient):
    """A connection to a TED service. Use it as an asynchronous context manager, or call :meth:`aclose`."""

    def __init__(self, url: str, *, key: str | None = None, patience: RetryPolicy = DEFAULT_RETRY_POLICY) -> None:
        self.url = url
        self._endpoints = Endpoints(ServiceConnection(url, patience))
        self._http = httpx.AsyncClient(base_url=url)
        self._transport = AsyncTransport(self._http, key=key)

    @classmethod
    def from_home(
        cls, home: Path, *, key: str | None = None, patience: RetryPolicy = DEFAULT_RETRY_POLICY
    ) -> "AsyncClient":
        """A client for the service that ``ted up`` runs in this home folder. Raises ServiceUnreachable.

        The key is the one that lies there, unless another is given.
        """
        connection = read_connection(home)
        return cls(connection["url"], key=key or connection.get("key"), patience=patience)

    # --- jobs ---------------------------------------------------------------------------------------------------------

    async def submit(self, job: JsonObject, *, wait: int = 0, idempotency_key: str | None = None) -> AsyncJob:
        """The stored job; with ``wait``, as it stands when it has ended or so many seconds later (60 at most).

        Sending it twice with one key starts it once; a key is made where none is given.
        """
        return self._job(
            await self._transport.result(self._endpoints.submit(job, wait=wait, idempotency_key=idempotency_key))
        )

    async def estimate(self, job: JsonObject) -> JsonObject:
        """Whether the job would be accepted, and what it would take. Nothing is stored."""
        return await self._transport.result(self._endpoints.estimate(job))

    async def job(self, job_id: str) -> AsyncJob:
        """The job as it stands."""
        return self._job(await self._transport.result(self._endpoints.fetch("GET", api_path("jobs", job_id))))

    def jobs(
        self,
        *,
        limit: int | None = None,
        status: Sequence[str] = (),
        metadata: Mapping[str, str] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> AsyncIterator[AsyncJob]:
        """Jobs, newest first; at most ``limit`` of them. A time without a zone is in this machine's."""
        wanted = JobListParams(status, metadata, created_after, created_before)
        told = self._transport.emitted(self._endpoints.list_pages(api_path("jobs"), limit=limit, **wanted.params()))
        return (self._job(facts) async for facts in told)

    async def cancel(self, job_id: str) -> AsyncJob:
        """The job, cancelled or about to be."""
        return self._job(
            await self._transport.result(self._endpoints.fetch("POST", api_path("jobs", job_id, "cancel")))
        )

    async def retry(self, job_id: str, *, wait: int = 0, idempotency_key: str | None = None) -> AsyncJob:
        """A new job like the one that has ended, of the dataset as it is now."""
        return self._job(
            await self._transport.result(self._endpoints.retry(job_id, wait=wait, idempotency_key=idempotency_key))
        )

    async def delete(self, job_id: str) -> None:
        """Delete a job that has ended, with its events and its files."""
        await self._transport.result(self._endpoints.delete(api_path("jobs", job_id)))

    def events(self, job_id: str, *, after: int = 0) -> AsyncIterator[JsonObject]:
        """Everything that has happened to the job after this sequence number, oldest first."""
        return self._transport.emitted(self._endpoints.list_pages(api_path("jobs", job_id, "events"), after=after))

    def follow(self, job_id: str, *, after: int = 0) -> AsyncIterator[JsonObject]:
        """The same, and then what happens, as it does, to the job's last event; a broken line is taken up again."""
        return self._transport.emitted(self._endpoints.follow(job_id, after=after))

    async def wait(
        self,
        job_id: str,
        *,
        progress: bool = False,
        on_progress: Callable[[AsyncJob], None] = ignore_progress,
        poll_seconds: float = 0.5,
    ) -> AsyncJob:
        """The job once it has ended, however it has; ``on_progress`` hears of every change.

        With ``progress``, a bar on the terminal (lines where there is none).
        """
        with showing.progress_display(Console(stderr=True)) if progress else nullcontext(ignore_progress) as show:
            async for facts in self._transport.emitted(self._endpoints.wait(job_id, poll_seconds=poll_seconds)):
                job = self._job(facts)
                show(job)
                on_progress(job)
        return job

    # --- results ------------------------------------------------------------------------------------------------------

    async def download(
        self, job_id: str, path: Path | str, *, kind: str = "manifest", keep_ratio: float | None = None
    ) -> Path:
        """The manifest (or ``kind="decisions"``) at ``path``, whole and checked against its SHA-256.

        With ``keep_ratio``, the manifest at another ratio, cut from the same decisions. A broken transfer is taken up
        where it stopped, by this call or the next. Raises TedApiError, DownloadBroken.
        """
        return await self._transport.result(
            self._endpoints.download(job_id, Path(path), kind=kind, keep_ratio=keep_ratio)
        )

    async def report(self, job_id: str) -> JsonObject:
        """What became of the job's rows and classes, how the selection came about, and what it cost."""
        return await self._transport.result(self._endpoints.fetch("GET", api_path("jobs", job_id, "report")))

    async def report_page(self, job_id: str, path: Path | str) -> Path:
        """The same at ``path`` as an HTML page that needs nothing else. Raises TedApiError, DownloadBroken."""
        return await self._transport.result(self._endpoints.report_page(job_id, Path(path)))

    # --- the service --------------------------------------------------------------------------------------------------

    async def ready(self) -> JsonObject:
        """Whether the service can accept jobs. Raises ServiceUnreachable."""
        return await self._transport.result(self._endpoints.fetch("GET", "/readyz"))

    def _job(self, facts: JsonObject) -> AsyncJob:
        return AsyncJob(facts, self)

    async def aclose(self) -> None:
        """Give back the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.aclose()
