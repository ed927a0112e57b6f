"""The blocking client of a TED service, and the jobs it returns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import httpx
from rich.console import Console

from ted_client.connection import service_address
from ted_client.endpoints import Endpoints
from ted_client.errors import DetachedJob
from ted_client.flow import Flow, JsonObject
from ted_client.job import JobSnapshot, manifest_file, temporary_manifest
from ted_client.progress import ignore_progress, progress_display
from ted_client.retry import DEFAULT_RETRY_POLICY, RetryPolicy, ServiceConnection
from ted_client.transport import Transport

if TYPE_CHECKING:
    from ted_client.answers import (
        DatasetJson,
        DatasetSpecJson,
        DeliveryJson,
        EstimateJson,
        EventJson,
        JobJson,
        JobRequestJson,
        ProxyJson,
        ProxySpecJson,
        QueueJson,
        ReadinessJson,
        ReportJson,
        SuspectJson,
        SuspectListJson,
        WebhookJson,
        WebhookWithSecretJson,
    )
    from ted_core.results.manifest import Manifest


class Client:
    """A connection to a TED service. Use it as a context manager, or call :meth:`close`.

    Without ``url`` it is the service that ``TED_URL`` names, or else the one that ``ted up`` runs in ``TED_HOME``
    (``~/.ted``); without ``key`` the key is ``TED_API_KEY``, or the one that ``ted up`` left there. Raises
    ServiceUnreachable if none runs there.

    ``retry`` says for how long a service that does not answer is asked again. ``transport`` replaces the network, for
    example by ``httpx.MockTransport`` in tests.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        retry: RetryPolicy = DEFAULT_RETRY_POLICY,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url, key = service_address(url, key=key)
        self._endpoints = Endpoints(ServiceConnection(self.url, retry))
        self._http = httpx.Client(base_url=self.url, transport=transport)
        self._transport = Transport(self._http, key=key)

    @classmethod
    def from_home(cls, home: str | Path, *, key: str | None = None, retry: RetryPolicy = DEFAULT_RETRY_POLICY) -> Self:
        """Connect to the service that ``ted up`` runs in this home folder. Raise ServiceUnreachable if none does.

        The key is the one that ``ted up`` left there, unless another is given.
        """
        url, key = service_address(key=key, home=home)
        return cls(url, key=key, retry=retry)

    # --- jobs ---------------------------------------------------------------------------------------------------------

    def submit(self, job: "JobRequestJson | JsonObject", *, wait: int = 0, idempotency_key: str | None = None) -> "Job":
        """Submit a job and return it as the service has stored it.

        With ``wait``, return only when the job has ended or this many seconds (at most 60) have passed. Submitting
        twice with the same ``idempotency_key`` starts one job; a random key is used if none is given.

        >>> import httpx
        >>> accepted = httpx.Response(202, json={"id": "job_1", "status": "queued"})
        >>> with Client("http://ted.example", transport=httpx.MockTransport(lambda request: accepted)) as client:
        ...     job = client.submit({
        ...         "dataset": {"uri": "file:///data/train.parquet", "task": "image-classification"},
        ...         "proxy": {"name": "cnn"},
        ...         "plan": {"keep_ratio": 0.6},
        ...     })
        >>> job.id, job.status
        ('job_1', 'queued')
        """
        return self._job(self._endpoints.submit(job, wait=wait, idempotency_key=idempotency_key))

    def estimate(self, job: "JobRequestJson | JsonObject") -> "EstimateJson":
        """Return what the job would take, what its dataset was taken for, and the warnings. Nothing is stored."""
        return self._transport.result(self._endpoints.estimate(job))

    def job(self, job_id: str) -> "Job":
        """Return the job as it stands."""
        return self._job(self._endpoints.job(job_id))

    def jobs(
        self,
        *,
        limit: int | None = None,
        status: Sequence[str] = (),
        metadata: Mapping[str, str] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> Iterator["Job"]:
        """Iterate over jobs, newest first; at most ``limit`` of them. A time without a zone is in this machine's."""
        jobs = self._endpoints.jobs(
            limit=limit, status=status, metadata=metadata, created_after=created_after, created_before=created_before
        )
        return (Job(facts, self) for facts in self._transport.items(jobs))

    def queue(self, job_id: str) -> "QueueJson":
        """Return the job's place among the queued jobs of its tenant, and for how long no worker has held any job."""
        return self._transport.result(self._endpoints.queue(job_id))

    def cancel(self, job_id: str) -> "Job":
        """Cancel a job and return it, cancelled or about to be."""
        return self._job(self._endpoints.cancel(job_id))

    def retry(self, job_id: str, *, wait: int = 0, idempotency_key: str | None = None) -> "Job":
        """Submit a job that has ended once more, with the dataset as it is now, and return the new job."""
        return self._job(self._endpoints.retry(job_id, wait=wait, idempotency_key=idempotency_key))

    def delete(self, job_id: str) -> None:
        """Delete a job that has ended, with its events and its files."""
        self._transport.result(self._endpoints.delete(job_id))

    def events(self, job_id: str, *, after: int = 0) -> Iterator["EventJson"]:
        """Iterate over the stored events of a job after this sequence number, oldest first."""
        return self._transport.items(self._endpoints.events(job_id, after=after))

    def follow(self, job_id: str, *, after: int = 0) -> Iterator["EventJson"]:
        """Iterate over a job's events as they happen, up to its last; a broken connection is resumed."""
        return self._transport.items(self._endpoints.follow(job_id, after=after))

    def wait(
        self,
        job_id: str,
        *,
        progress: bool = False,
        on_progress: Callable[["Job"], None] = ignore_progress,
        poll_seconds: float = 0.5,
    ) -> "Job":
        """Wait until the job has ended, however it does, and return it. ``on_progress`` is called on every change.

        With ``progress``, show a bar on the terminal, or lines if standard error is no terminal.
        """
        with progress_display(Console(stderr=True)) if progress else nullcontext(ignore_progress) as show:
            for facts in self._transport.items(self._endpoints.wait(job_id, poll_seconds=poll_seconds)):
                job = Job(facts, self)
                show(job)
                on_progress(job)
        return job

    # --- results ------------------------------------------------------------------------------------------------------

    def download(
        self, job_id: str, path: Path | str, *, kind: str = "manifest", keep_ratio: float | None = None
    ) -> Path:
        """Download the manifest (or ``kind="decisions"`` or ``"suspects"``) to ``path``, checked against its SHA-256.

        With ``keep_ratio``, download the manifest at another ratio, cut from the same decisions. An interrupted
        transfer is resumed where it stopped, by this call or the next. Raise TedApiError, DownloadBroken or NotSaved.
        """
        return self._transport.result(self._endpoints.download(job_id, Path(path), kind=kind, keep_ratio=keep_ratio))

    def suspects(self, job_id: str, *, limit: int | None = None) -> Iterator["SuspectJson"]:
        """Iterate over the rows whose labels look wrong, the most suspicious first; at most ``limit`` of them."""
        return self._transport.items(self._endpoints.suspects(job_id, limit=limit))

    def suspects_page(self, job_id: str, *, limit: int = 100, after: int = 0) -> "SuspectListJson":
        """Return a page of these rows: ``data``, ``label_noise`` and, if that is null, the reason in ``note``.

        ``after`` is ``next`` of the page before.
        """
        return self._transport.result(self._endpoints.suspects_page(job_id, limit=limit, after=after))

    def report(self, job_id: str) -> "ReportJson":
        """Return what became of the job's rows and classes, how they were selected, and what that cost."""
        return self._transport.result(self._endpoints.report(job_id))

    def report_page(self, job_id: str, path: Path | str) -> Path:
        """Download the report to ``path`` as one self-contained HTML page. Raise as :meth:`download` does."""
        return self._transport.result(self._endpoints.report_page(job_id, Path(path)))

    # --- datasets and proxies -----------------------------------------------------------------------------------------

    def register_dataset(self, name: str, dataset: "DatasetSpecJson | JsonObject") -> "DatasetJson":
        """Check a dataset and register it; jobs may then say ``"dataset": {"name": …}``."""
        return self._transport.result(self._endpoints.register_dataset(name, dataset))

    def datasets(self) -> Iterator["DatasetJson"]:
        """Iterate over the registered datasets, by name."""
        return self._transport.items(self._endpoints.datasets())

    def dataset(self, name: str) -> "DatasetJson":
        """Return the dataset of this name, and whether it has changed since it was registered."""
        return self._transport.result(self._endpoints.dataset(name))

    def forget_dataset(self, name: str) -> None:
        """Free the name. The data, and jobs that used the name, stay as they are."""
        self._transport.result(self._endpoints.forget_dataset(name))

    def register_proxy(self, name: str, proxy: "ProxySpecJson | JsonObject") -> "ProxyJson":
        """Register an installed proxy with settings; jobs may then say ``"proxy": {"name": …}``."""
        return self._transport.result(self._endpoints.register_proxy(name, proxy))

    def proxies(self) -> Sequence["ProxyJson"]:
        """Return all proxies that a job may name, installed and registered."""
        return self._transport.result(self._endpoints.proxies())

    def proxy(self, name: str) -> "ProxyJson":
        """Return the proxy of this name."""
        return self._transport.result(self._endpoints.proxy(name))

    def forget_proxy(self, name: str) -> None:
        """Free the name of a registered proxy."""
        self._transport.result(self._endpoints.forget_proxy(name))

    # --- webhooks -----------------------------------------------------------------------------------------------------

    def register_webhook(self, url: str, *, events: Sequence[str] | None = None) -> "WebhookWithSecretJson":
        """Register a webhook and return it with its ``secret``, which is shown only this once.

        It is sent the events named here, or those that end a job if none are named.
        """
        return self._transport.result(self._endpoints.register_webhook(url, events=events))

    def webhooks(self) -> Iterator["WebhookJson"]:
        """Iterate over the registered webhooks, newest first."""
        return self._transport.items(self._endpoints.webhooks())

    def webhook(self, webhook_id: str) -> "WebhookJson":
        """Return the webhook, with the reason if it is disabled."""
        return self._transport.result(self._endpoints.webhook(webhook_id))

    def change_webhook(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        enabled: bool | None = None,
    ) -> "WebhookJson":
        """Change a webhook's URL or events, or switch it on or off; what is not given stays as it is."""
        return self._transport.result(
            self._endpoints.change_webhook(webhook_id, url=url, events=events, enabled=enabled)
        )

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook and the record of its deliveries."""
        self._transport.result(self._endpoints.delete_webhook(webhook_id))

    def rotate_webhook(self, webhook_id: str) -> "WebhookWithSecretJson":
        """Give the webhook a new ``secret``, shown only this once; messages carry the old signature too for a day."""
        return self._transport.result(self._endpoints.rotate_webhook(webhook_id))

    def ping_webhook(self, webhook_id: str) -> "DeliveryJson":
        """Send the webhook a message of type ``ping`` and return the delivery."""
        return self._transport.result(self._endpoints.ping_webhook(webhook_id))

    def deliveries(self, webhook_id: str, *, status: Sequence[str] = ()) -> Iterator["DeliveryJson"]:
        """Iterate over the messages of the last 30 days to this webhook, newest first."""
        return self._transport.items(self._endpoints.deliveries(webhook_id, status=status))

    def redeliver(self, webhook_id: str, delivery_id: str) -> "DeliveryJson":
        """Send a message again, under the same id, and return the delivery."""
        return self._transport.result(self._endpoints.redeliver(webhook_id, delivery_id))

    # --- the service --------------------------------------------------------------------------------------------------

    def ready(self) -> "ReadinessJson":
        """Return whether the service can accept jobs. Raise ServiceUnreachable if it does not answer."""
        return self._transport.result(self._endpoints.ready())

    def _job(self, flow: "Flow[JobJson]") -> "Job":
        return Job(self._transport.result(flow), self)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


@dataclass(frozen=True)
class Job(JobSnapshot):
    """A job, and the client through which it can be asked for more."""

    client: Client | None = field(default=None, repr=False, compare=False)

    def refresh(self) -> "Job":
        """Return the job as it stands now."""
        return self._require_client().job(self.id)

    def wait(self, *, progress: bool = False, on_progress: Callable[["Job"], None] = ignore_progress) -> "Job":
        """Wait until the job has ended and return it; see :meth:`Client.wait`."""
        return self._require_client().wait(self.id, progress=progress, on_progress=on_progress)

    def queue(self) -> "QueueJson":
        """Return the job's place in the queue; see :meth:`Client.queue`."""
        return self._require_client().queue(self.id)

    def cancel(self) -> "Job":
        """Cancel the job and return it, cancelled or about to be."""
        return self._require_client().cancel(self.id)

    def download(self, path: Path | str, *, kind: str = "manifest", keep_ratio: float | None = None) -> Path:
        """Download the manifest to ``path``; see :meth:`Client.download`."""
        return self._require_client().download(self.id, path, kind=kind, keep_ratio=keep_ratio)

    def suspects(self, *, limit: int | None = None) -> Iterator["SuspectJson"]:
        """Iterate over the rows whose labels look wrong; see :meth:`Client.suspects`."""
        return self._require_client().suspects(self.id, limit=limit)

    def report(self) -> "ReportJson":
        """Return what became of the job's rows; see :meth:`Client.report`."""
        return self._require_client().report(self.id)

    def events(self, *, after: int = 0) -> Iterator["EventJson"]:
        """Iterate over what has happened to the job, oldest first; see :meth:`Client.events`."""
        return self._require_client().events(self.id, after=after)

    def retry(self, *, wait: int = 0) -> "Job":
        """Submit the job, which has ended, once more, and return the new one; see :meth:`Client.retry`."""
        return self._require_client().retry(self.id, wait=wait)

    def delete(self) -> None:
        """Delete the job, which has ended, with its events and its files."""
        self._require_client().delete(self.id)

    def manifest(self, *, keep_ratio: float | None = None) -> "Manifest":
        """Return the manifest: ``row_indices`` and ``weights`` are arrays, ``table()`` is Arrow's.

        It needs pyarrow: ``pip install 'ted-coreset[manifest]'``. Its file is gone once the manifest is.
        """
        with manifest_file() as path:
            return temporary_manifest(self.download(path, keep_ratio=keep_ratio))

    def _require_client(self) -> Client:
        if self.client is None:
            raise DetachedJob
        return self.client
