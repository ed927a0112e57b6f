"""Every call to the service, each written once as a flow; ``Client`` and ``AsyncClient`` run them."""

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ted_client.download import Download
from ted_client.errors import TedApiError, parse_json_object
from ted_client.flow import READ_SECONDS, Emit, Flow, JsonObject, Request, Sleep, api_path
from ted_client.job import TERMINAL
from ted_client.retry import ServiceConnection
from ted_client.sse import EventListener

if TYPE_CHECKING:
    from ted_client.answers import (
        DatasetJson,
        DeliveryJson,
        EstimateJson,
        JobJson,
        ProxyJson,
        QueueJson,
        ReadinessJson,
        ReportJson,
        SuspectListJson,
        WebhookJson,
        WebhookWithSecretJson,
    )

LARGEST_PAGE, LARGEST_SUSPECT_PAGE = 100, 1000
PARQUET = "application/vnd.apache.parquet"
LONG_POLL_SECONDS = 20


@dataclass(frozen=True)
class Endpoints:
    """The calls that a TED service answers. A method that lists or follows emits its items; any other returns one."""

    service: ServiceConnection

    # --- jobs ---------------------------------------------------------------------------------------------------------

    def submit(self, job: JsonObject, *, wait: int, idempotency_key: str | None) -> Flow["JobJson"]:
        return self._submit(api_path("jobs"), body=with_paths(job), wait=wait, idempotency_key=idempotency_key)

    def retry(self, job_id: str, *, wait: int, idempotency_key: str | None) -> Flow["JobJson"]:
        return self._submit(api_path("jobs", job_id, "retry"), body=None, wait=wait, idempotency_key=idempotency_key)

    def _submit(self, path: str, *, body: JsonObject | None, wait: int, idempotency_key: str | None) -> Flow["JobJson"]:
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex, **_prefer_wait(wait)}
        return self._fetch("POST", path, headers=headers, body=body, read_seconds=READ_SECONDS + wait)

    def estimate(self, job: JsonObject) -> Flow["EstimateJson"]:
        return self._fetch("POST", api_path("jobs"), params={"validate_only": "true"}, body=with_paths(job))

    def job(self, job_id: str) -> Flow["JobJson"]:
        return self._fetch("GET", api_path("jobs", job_id))

    def jobs(
        self,
        *,
        limit: int | None,
        status: Sequence[str],
        metadata: Mapping[str, str] | None,
        created_after: datetime | None,
        created_before: datetime | None,
    ) -> Flow[None]:
        times = without_none(created_after=created_after, created_before=created_before)
        labels: dict[str, Any] = {f"metadata[{key}]": value for key, value in (metadata or {}).items()}
        return self._list(api_path("jobs"), limit=limit, **_statuses(status), **labels, **_in_utc(times))

    def queue(self, job_id: str) -> Flow["QueueJson"]:
        return self._fetch("GET", api_path("jobs", job_id, "queue"))

    def cancel(self, job_id: str) -> Flow["JobJson"]:
        return self._fetch("POST", api_path("jobs", job_id, "cancel"))

    def delete(self, job_id: str) -> Flow[None]:
        return self._delete(api_path("jobs", job_id))

    def events(self, job_id: str, *, after: int) -> Flow[None]:
        return self._list(api_path("jobs", job_id, "events"), after=after)

    def follow(self, job_id: str, *, after: int) -> Flow[None]:
        return EventListener(self.service, job_id, after).follow()

    def wait(self, job_id: str, *, poll_seconds: float) -> Flow["JobJson"]:
        """Emit the job as it stands, and again whenever it has changed, until it has ended."""
        headers: dict[str, str] = {}
        while True:
            request = Request(
                "GET", api_path("jobs", job_id), headers=headers, read_seconds=READ_SECONDS + LONG_POLL_SECONDS
            )
            response = yield from self.service.send(request)
            if response.status != HTTPStatus.NOT_MODIFIED:
                job = cast("JobJson", parse_json_object(response))
                yield Emit(job)
                if job["status"] in TERMINAL:
                    return job
                headers = {"If-None-Match": response.head.headers.get("ETag", '""'), **_prefer_wait(LONG_POLL_SECONDS)}
            yield Sleep(poll_seconds)

    # --- results ------------------------------------------------------------------------------------------------------

    def download(self, job_id: str, path: Path, *, kind: str, keep_ratio: float | None) -> Flow[Path]:
        params = without_none(keep_ratio=keep_ratio)
        return Download(self.service, api_path("jobs", job_id, kind), path, accept=PARQUET, params=params).run()

    def suspects(self, job_id: str, *, limit: int | None) -> Flow[None]:
        return self._list(api_path("jobs", job_id, "suspects"), limit=limit, largest_page=LARGEST_SUSPECT_PAGE)

    def suspects_page(self, job_id: str, *, limit: int, after: int) -> Flow["SuspectListJson"]:
        return self._fetch("GET", api_path("jobs", job_id, "suspects"), params={"limit": limit, "after": after})

    def report(self, job_id: str) -> Flow["ReportJson"]:
        return self._fetch("GET", api_path("jobs", job_id, "report"))

    def report_page(self, job_id: str, path: Path) -> Flow[Path]:
        return Download(self.service, api_path("jobs", job_id, "report"), path, accept="text/html").run()

    # --- datasets and proxies -----------------------------------------------------------------------------------------

    def register_dataset(self, name: str, dataset: JsonObject) -> Flow["DatasetJson"]:
        return self._create(api_path("datasets"), {**with_paths(dataset), "name": name})

    def datasets(self) -> Flow[None]:
        return self._list(api_path("datasets"))

    def dataset(self, name: str) -> Flow["DatasetJson"]:
        return self._fetch("GET", api_path("datasets", name))

    def forget_dataset(self, name: str) -> Flow[None]:
        return self._delete(api_path("datasets", name))

    def register_proxy(self, name: str, proxy: JsonObject) -> Flow["ProxyJson"]:
        return self._create(api_path("proxies"), {"name": name, "proxy": proxy})

    def proxies(self) -> Flow[Sequence["ProxyJson"]]:
        """Return all proxies; this list is not paged."""
        proxies: Sequence[ProxyJson] = (yield from self._fetch("GET", api_path("proxies")))["data"]
        return proxies

    def proxy(self, name: str) -> Flow["ProxyJson"]:
        return self._fetch("GET", api_path("proxies", name))

    def forget_proxy(self, name: str) -> Flow[None]:
        return self._delete(api_path("proxies", name))

    # --- webhooks -----------------------------------------------------------------------------------------------------

    def register_webhook(self, url: str, *, events: Sequence[str] | None) -> Flow["WebhookWithSecretJson"]:
        return self._create(api_path("webhooks"), without_none(url=url, events=events))

    def webhooks(self) -> Flow[None]:
        return self._list(api_path("webhooks"))

    def webhook(self, webhook_id: str) -> Flow["WebhookJson"]:
        return self._fetch("GET", api_path("webhooks", webhook_id))

    def change_webhook(
        self, webhook_id: str, *, url: str | None, events: Sequence[str] | None, enabled: bool | None
    ) -> Flow["WebhookJson"]:
        changes = without_none(url=url, events=events, enabled=enabled)
        return self._fetch("PATCH", api_path("webhooks", webhook_id), body=changes)

    def delete_webhook(self, webhook_id: str) -> Flow[None]:
        return self._delete(api_path("webhooks", webhook_id))

    def rotate_webhook(self, webhook_id: str) -> Flow["WebhookWithSecretJson"]:
        return self._create(api_path("webhooks", webhook_id, "rotate"))

    def ping_webhook(self, webhook_id: str) -> Flow["DeliveryJson"]:
        return self._create(api_path("webhooks", webhook_id, "ping"))

    def deliveries(self, webhook_id: str, *, status: Sequence[str]) -> Flow[None]:
        return self._list(api_path("webhooks", webhook_id, "deliveries"), **_statuses(status))

    def redeliver(self, webhook_id: str, delivery_id: str) -> Flow["DeliveryJson"]:
        return self._create(api_path("webhooks", webhook_id, "deliveries", delivery_id, "redeliver"))

    # --- the service --------------------------------------------------------------------------------------------------

    def ready(self) -> Flow["ReadinessJson"]:
        return self._fetch("GET", "/readyz")

    # --- the four kinds of call ---------------------------------------------------------------------------------------

    def _fetch(self, method: str, path: str, **request: Any) -> Flow[Any]:
        """Return the JSON object in the response; ``request`` holds more fields of ``flow.Request``."""
        response = yield from self.service.send(Request(method, path, **request))
        return parse_json_object(response)

    def _create(self, path: str, body: JsonObject | None = None) -> Flow[Any]:
        """Return what was created. Sent twice it may be created twice, so it is not repeated after a broken line."""
        return self._fetch("POST", path, body=body, idempotent=False)

    def _list(
        self,
        path: str,
        *,
        limit: int | None = None,
        after: str | int | None = None,
        largest_page: int = LARGEST_PAGE,
        **params: Any,
    ) -> Flow[None]:
        """Emit the items that the path lists, page by page; at most ``limit`` of them."""
        remaining = math.inf if limit is None else limit
        has_more = True
        while has_more and remaining > 0:
            query = {**params, "limit": min(remaining, largest_page), **without_none(after=after)}
            page = yield from self._fetch("GET", path, params=query)
            for item in page["data"]:
                yield Emit(item)
            remaining -= len(page["data"])
            after, has_more = page["next"], page["has_more"]

    def _delete(self, path: str) -> Flow[None]:
        """Delete it. A 404 is success if an earlier try, whose response was lost, may have deleted it."""
        try:
            yield from self.service.send(Request("DELETE", path))
        except TedApiError as error:
            if not (error.may_have_arrived and error.status == HTTPStatus.NOT_FOUND):
                raise


def with_paths(request: Any) -> Any:
    """Return the request with each ``Path`` in it as an absolute path, since the service runs in another folder."""
    if isinstance(request, Path):
        return str(request.expanduser().absolute())
    if isinstance(request, Mapping):
        return {name: with_paths(value) for name, value in request.items()}
    return request


def without_none(**arguments: Any) -> dict[str, Any]:
    """Drop arguments that are None."""
    return {name: value for name, value in arguments.items() if value is not None}


def _statuses(status: Sequence[str]) -> dict[str, Any]:
    return {"status": list(status)} if status else {}


def _in_utc(times: Mapping[str, datetime]) -> dict[str, Any]:
    """Write times for a query; one without a zone is in this machine's."""
    return {name: time.astimezone(UTC).isoformat() for name, time in times.items()}


def _prefer_wait(seconds: int) -> dict[str, str]:
    return {"Prefer": f"wait={seconds}"} if seconds else {}
