"""Both clients against the real service: the whole API."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ted_client import AsyncClient, AsyncJob, Client, Job, TedApiError, endpoints
from ted_client.errors import DetachedJob
from ted_client.flow import FlowRunner, SendRequest
from ted_client.retry import NO_RETRY
from ted_core.results.manifest import read_manifest
from ted_core.results.manifest_writer import write_manifest
from ted_core.results.provenance import Provenance
from ted_core.results.suspects.listing import write_suspects
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.servers.webhook_receivers import receiving
from tests.ted_client.scripted import Make, Script, says, serving
from tests.ted_core.results.recuts.test_recut import ROWS, Ranking
from tests.ted_core.results.recuts.test_recut import dataset as dataset  # noqa: PLC0414 - a fixture
from tests.ted_core.results.recuts.test_recut import provenance as provenance  # noqa: PLC0414 - a fixture

OPENAPI = Path(__file__).parents[2] / "openapi" / "openapi.json"
FOR_MACHINES = {"health", "metrics", "describe_manifest", "describe_decisions"}


@pytest.fixture
def body(settings: Settings) -> Callable[..., dict[str, Any]]:
    """A job that the service accepts."""

    def make(**metadata: str) -> dict[str, Any]:
        return {
            "dataset": {"uri": f"{settings.dataset_roots[0]}/images.parquet", "task": "image-classification"},
            "proxy": {"name": "cnn"},
            "plan": {"keep_ratio": 0.6},
            "metadata": metadata,
        }

    return make


@pytest.fixture
def client(connect: Make, url: str) -> Any:
    return connect(url)


def claimed(leases: Leases, job_id: str) -> Claim:
    claim = leases.claim(job_id, worker="w")
    assert claim
    return claim


def ended(leases: Leases, job_id: str) -> None:
    claim = claimed(leases, job_id)
    leases.begin_finalizing(claim)
    leases.finish(claim, published=[], result={})


def test_a_job_is_submitted_read_cancelled_and_deleted(client: Any, body: Callable[..., dict[str, Any]]) -> None:
    submitted = client.submit(body(team="vision"), wait=1)
    read = client.job(submitted.id)
    place = client.queue(submitted.id)
    cancelled = client.cancel(submitted.id)
    client.delete(submitted.id)

    assert (place["position"], place["queued"], place["running"]) == (1, 1, 0)
    assert (submitted.status, read.facts["metadata"], cancelled.status) == ("queued", {"team": "vision"}, "cancelled")
    with pytest.raises(TedApiError) as refused:
        client.job(submitted.id)
    assert (refused.value.status, refused.value.code) == (404, "job_not_found")
    assert refused.value.request_id


def test_submitting_twice_with_one_idempotency_key_starts_one_job(
    client: Any, body: Callable[..., dict[str, Any]]
) -> None:
    assert client.submit(body(), idempotency_key="k").id == client.submit(body(), idempotency_key="k").id
    assert client.submit(body()).id != client.submit(body()).id


def test_an_estimate_stores_nothing(client: Any, body: Callable[..., dict[str, Any]]) -> None:
    estimate = client.estimate(body())

    assert (estimate["rows_in"], estimate["rows_kept"]) == (40, 24)
    assert list(client.jobs()) == []


def test_an_invalid_field_is_named_in_the_error(client: Any, body: Callable[..., dict[str, Any]]) -> None:
    with pytest.raises(TedApiError) as refused:
        client.submit(body() | {"plan": {"keep_ratio": 1.5}})

    assert list(refused.value.fields) == ["plan.keep_ratio"]
    assert [fault["field"] for fault in refused.value.errors] == ["plan.keep_ratio"]


def test_jobs_are_listed_over_pages_and_filtered(client: Any, store: JobStore, body: Callable[..., Any]) -> None:
    first = client.submit(body(team="vision"))
    many = [client.submit(body()).id for _ in range(4)]
    client.cancel(many[0])
    hour = timedelta(hours=1)

    def ids(**filters: object) -> list[str]:
        return [job.id for job in client.jobs(**filters)]

    assert ids() == [*reversed(many), first.id]
    assert ids(limit=2) == [*reversed(many)][:2]
    assert ids(metadata={"team": "vision"}) == [first.id]
    assert ids(status=["cancelled"]) == [many[0]]
    assert ids(created_after=datetime.now(UTC) + hour) == ids(created_before=datetime.now(UTC) - hour) == []
    assert len(ids(created_after=datetime.now() - hour)) == 5  # noqa: DTZ005 - in this machine's zone


def test_pages_are_followed_to_the_end_or_the_limit(connect: Make) -> None:
    def page(first: int, count: int, *, more: bool) -> Any:
        data = [{"id": f"job_{number}"} for number in range(first, first + count)]
        return says(200, {"data": data, "has_more": more, "next": f"job_{first + count - 1}" if more else None})

    with serving(page(0, 100, more=True), page(100, 30, more=True), page(130, 5, more=False)) as script:
        some = [job.id for job in connect(script.url).jobs(limit=130)]
    with serving(page(0, 100, more=True), page(100, 5, more=False)) as other:
        every = [job.id for job in connect(other.url).jobs()]

    assert some == [f"job_{number}" for number in range(130)]
    assert [request.path for request in script.requests] == ["/v1/jobs?limit=100", "/v1/jobs?limit=30&after=job_99"]
    assert len(every) == 105


def test_a_job_that_has_ended_can_be_retried(client: Any, leases: Leases, body: Callable[..., Any]) -> None:
    job = client.submit(body())
    ended(leases, job.id)

    again, repeated = client.retry(job.id, idempotency_key="k"), client.retry(job.id, idempotency_key="k")

    assert again.facts["retry_of"] == job.id
    assert again.id == repeated.id


def test_stored_events_are_read_over_pages(client: Any, leases: Leases, body: Callable[..., Any]) -> None:
    job = client.submit(body())
    claim = claimed(leases, job.id)
    leases.heartbeat(claim, progress={}, new_events=[("job.round", {"round": number}) for number in range(130)])

    assert [event["sequence"] for event in client.events(job.id)] == list(range(1, 133))
    assert [event["sequence"] for event in client.events(job.id, after=130)] == [131, 132]


def test_a_job_s_methods_ask_its_client(
    client: Any, body: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    job = client.submit(body())

    cancelled = job.cancel()
    waited = job.wait(progress=True)

    assert (job.status, cancelled.status, waited.status, job.refresh().status) == ("queued", *["cancelled"] * 3)
    assert "cancelled" in capsys.readouterr().err


def test_a_job_made_by_hand_says_how_to_get_a_real_one() -> None:
    with pytest.raises(DetachedJob, match="ask a client"):
        Job({"id": "job_1"}).refresh()
    with pytest.raises(DetachedJob, match="ask a client"):
        asyncio.run(AsyncJob({"id": "job_1"}).refresh())


def test_files_are_downloaded_at_any_ratio(
    client: Any,
    body: Callable[..., Any],
    leases: Leases,
    settings: Settings,
    tmp_path: Path,
    provenance: Provenance,
) -> None:
    job = client.submit(body())
    claim = claimed(leases, job.id)
    decisions = Ranking(1).written(tmp_path / "out", provenance, ratio=0.6, method="ted")
    leases.begin_finalizing(claim)
    files = {"manifest": decisions.with_name("manifest.parquet"), "decisions": decisions}
    put = ArtifactStore(settings.artifacts).put_attempt_file
    published = [put(file, job_id=job.id, token=claim.token, kind=kind) for kind, file in files.items()]
    leases.finish(claim, published=published, result={})

    own = client.download(job.id, tmp_path / "got" / "manifest.parquet")
    less = job.download(str(tmp_path / "got" / "less.parquet"), keep_ratio=0.25)
    every = client.download(job.id, tmp_path / "got" / "decisions.parquet", kind="decisions")

    assert own.read_bytes() == files["manifest"].read_bytes()
    assert len(read_manifest(less).row_indices) == round(0.25 * (ROWS - 2))
    assert every.read_bytes() == decisions.read_bytes()
    assert sorted(path.name for path in own.parent.iterdir()) == ["decisions.parquet", "less.parquet", own.name]
    with pytest.raises(TedApiError) as refused:
        client.download(client.submit(body()).id, tmp_path / "got" / "none.parquet")
    assert refused.value.status == 409


def test_labels_that_look_wrong_are_listed_over_pages_and_downloaded(
    client: Any,
    body: Callable[..., Any],
    leases: Leases,
    settings: Settings,
    tmp_path: Path,
    provenance: Provenance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(endpoints, "LARGEST_SUSPECT_PAGE", 50)
    claim = claimed(leases, client.submit(body()).id)
    margin = np.linspace(-1, -0.1, ROWS, dtype=np.float32)
    found = replace(Ranking(1).decisions(0.6), margin=margin, suspicion=-margin)
    metadata = write_manifest(tmp_path, found, provenance=provenance).metadata
    file = write_suspects(tmp_path, found, accuracy=None, metadata=metadata)
    leases.begin_finalizing(claim)
    put = ArtifactStore(settings.artifacts).put_attempt_file
    published = [put(file, job_id=claim.job.id, token=claim.token, kind="suspects")]
    leases.finish(claim, published=published, result={})

    every = list(client.suspects(claim.job.id))
    some = list(client.suspects(claim.job.id, limit=70))
    page = client.suspects_page(claim.job.id, limit=2, after=3)
    saved = client.download(claim.job.id, tmp_path / "got.parquet", kind="suspects")

    assert [row["row_index"] for row in every] == list(range(ROWS))
    assert some == every[:70]
    assert (page["data"], page["next"]) == (every[3:5], 5)
    assert saved.read_bytes() == file.read_bytes()


def test_datasets_and_proxies_are_registered_and_forgotten(client: Any, body: Callable[..., Any]) -> None:
    client.register_dataset("digits", body()["dataset"])
    client.register_proxy("small", {"name": "cnn", "epochs": 3})
    job = client.submit(body() | {"dataset": {"name": "digits"}, "proxy": {"name": "small"}})

    assert [dataset["name"] for dataset in client.datasets()] == ["digits"]
    assert (client.dataset("digits")["rows"], client.dataset("digits")["changed"]) == (40, False)
    assert client.proxy("small")["defaults"]["epochs"] == job.facts["proxy"]["epochs"] == 3
    assert {"cnn", "mlp", "small"} <= {proxy["name"] for proxy in client.proxies()}
    client.forget_dataset("digits")
    client.forget_proxy("small")
    assert list(client.datasets()) == []
    with pytest.raises(TedApiError) as refused:
        client.proxy("small")
    assert refused.value.status == 404


def test_webhooks_are_registered_changed_tried_and_deleted(client: Any) -> None:
    with receiving() as receiver:
        webhook = client.register_webhook(receiver.url, events=["job.failed"])
    hook = webhook["id"]

    rotated, changed = client.rotate_webhook(hook), client.change_webhook(hook, events=["job.succeeded"])
    sent = client.ping_webhook(hook)

    assert webhook["secret"].startswith("whsec_")
    assert rotated["secret"] not in ("", webhook["secret"])
    assert changed["events"] == client.webhook(hook)["events"] == ["job.succeeded"]
    assert [registered["id"] for registered in client.webhooks()] == [hook]
    assert [delivery["id"] for delivery in client.deliveries(hook)] == [sent["id"]]
    assert client.redeliver(hook, sent["id"])["id"] == sent["id"]
    assert list(client.deliveries(hook, status=["failed"])) == []
    client.delete_webhook(hook)
    assert list(client.webhooks()) == []


def test_the_service_says_whether_it_is_ready(client: Any) -> None:
    assert client.ready()["status"] in ("ok", "degraded")


def test_every_operation_of_the_api_is_covered() -> None:
    operations = {
        (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", path))): operation["operationId"]
        for path, methods in json.loads(OPENAPI.read_text())["paths"].items()
        for method, operation in methods.items()
    }

    sent_requests = sent_by_everything()

    covered = {
        name
        for (method, path), name in operations.items()
        if any(method == sent and path.fullmatch(url) for sent, url in sent_requests)
    }
    assert set(operations.values()) - covered == FOR_MACHINES


def sent_by_everything() -> set[tuple[str, str]]:
    """The first request of every method of a client."""
    client = Client("http://ted", retry=NO_RETRY)
    sent_requests: set[tuple[str, str]] = set()

    def note(flow: Any) -> Any:
        step = FlowRunner(flow).step
        assert isinstance(step, SendRequest)
        sent_requests.add((step.request.method, step.request.url))
        raise InterruptedError

    client._transport.result = client._transport.items = note  # type: ignore[method-assign, assignment]
    given: Mapping[str, tuple[Any, ...]] = {"register_dataset": ("n", {}), "register_proxy": ("n", {}), "submit": ({},)}
    for name in (name for name in dir(client) if not name.startswith("_")):
        method = getattr(client, name)
        if name in ("close", "from_home", "url"):
            continue
        for some in (given.get(name, ()), ("a",), ("a", "b"), ({},)):
            try:
                method(*some)
            except InterruptedError:
                break
            except TypeError:
                continue
    for kind in ("manifest", "decisions"):
        with pytest.raises(InterruptedError):
            client.download("a", Path("nowhere/at/all"), kind=kind)
    client.close()
    return sent_requests


def test_both_clients_have_the_same_methods() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert public(Client) - {"close"} == public(AsyncClient) - {"aclose"}
    assert public(Job) == public(AsyncJob)


def test_many_calls_share_one_asynchronous_client(url: str, body: Callable[..., Any]) -> None:
    async def story() -> list[str]:
        async with AsyncClient(url) as client:
            jobs = await asyncio.gather(*(client.submit(body()) for _ in range(8)))
            return [job.id for job in await asyncio.gather(*(job.cancel() for job in jobs))]

    assert len(set(asyncio.run(story()))) == 8


def test_a_cancelled_task_gives_its_connection_back() -> None:
    async def story(script: Script) -> None:
        async with AsyncClient(script.url) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.wait("job_1", poll_seconds=60), 0.5)
            assert (await client.ready())["status"] == "queued"

    with serving(says(200, {"id": "job_1", "status": "queued"})) as script:
        asyncio.run(story(script))
