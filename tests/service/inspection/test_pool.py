"""Datasets are looked at for many clients, none of whom can keep the others waiting."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from fastapi.testclient import TestClient

from service.inspection import pool
from service.inspection.pool import InspectionPool
from ted_core.datasets import DatasetSpec, DatasetSummary
from ted_core.datasets.inspection_messages import InspectionRequest
from ted_core.errors import DatasetNotFound
from ted_jobs.api_keys.store import ApiKeyStore, NewApiKey
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.servers.stacks import until
from tests.service.conftest import Json, bearer
from tests.service.inspection.files import slow_jsonl, small_table
from tests.service.processes import ApiProcess, api_process

ATTACKS = 45
LOOKS_PAUSE = 0.1
"""Seconds between two looks at a job: a key may send ten requests a second for a minute."""
SUMMARY = DatasetSummary(40, ("x", "label"), "guard")
SPEC = DatasetSpec(uri="/data/table.parquet", task="tabular-classification")


class CountedLooks:
    """Processes that look at nothing, but take their time."""

    def __init__(self) -> None:
        self.looks: list[InspectionRequest] = []

    def inspect(self, request: InspectionRequest) -> DatasetSummary:
        self.looks.append(request)
        time.sleep(0.05)
        if request.spec.uri.endswith("nowhere"):
            raise DatasetNotFound(request.spec.uri)
        return SUMMARY

    def close(self) -> None:
        """Nothing is running."""


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> CountedLooks:
    looks = CountedLooks()
    monkeypatch.setattr(pool, "InspectionProcesses", lambda: looks)
    return looks


def asked(*questions: tuple[str, DatasetSpec]) -> list[DatasetSummary | BaseException]:
    """What tenants are told that ask all at once."""

    async def ask() -> list[DatasetSummary | BaseException]:
        looking = InspectionPool(2, roots=tuple)
        answers = [looking.inspect(spec, tenant=tenant) for tenant, spec in questions]
        outcomes = await asyncio.gather(*answers, return_exceptions=True)
        await looking.aclose()
        return outcomes

    return asyncio.run(ask())


def test_who_asks_for_the_same_at_the_same_time_shares_one_look(counted: CountedLooks) -> None:
    assert asked(*[("one", SPEC)] * 20) == [SUMMARY] * 20

    assert len(counted.looks) == 1


def test_tenants_and_other_questions_have_looks_of_their_own(counted: CountedLooks) -> None:
    other = SPEC.model_copy(update={"target": "other"})

    assert asked(("one", SPEC), ("two", SPEC), ("one", other)) == [SUMMARY] * 3
    assert len(counted.looks) == 3


def test_a_refusal_is_shared_and_not_remembered(counted: CountedLooks) -> None:
    nowhere = SPEC.model_copy(update={"uri": "/nowhere"})

    for _ in range(2):
        assert {type(outcome) for outcome in asked(*[("one", nowhere)] * 3)} == {DatasetNotFound}
    assert len(counted.looks) == 2


def test_who_leaves_does_not_take_the_look_from_the_others(counted: CountedLooks) -> None:
    async def scenario() -> DatasetSummary:
        looking = InspectionPool(2, roots=tuple)
        leaver, stayer = (asyncio.create_task(looking.inspect(SPEC, tenant="one")) for _ in range(2))
        await asyncio.sleep(0.01)
        leaver.cancel()
        return await stayer

    assert asyncio.run(scenario()) == SUMMARY
    assert len(counted.looks) == 1


# --- over HTTP --------------------------------------------------------------------------------------------------------


@pytest.fixture
def table(data: Path) -> Path:
    return small_table(data / "table.parquet")


@pytest.fixture
def slow(data: Path) -> Iterator[Path]:
    """A text of some kilobytes that takes a minute of an idle processor's time to count."""
    yield (path := slow_jsonl(data / "slow.jsonl.gz"))
    path.unlink()


def of_table(path: Path) -> Json:
    return {
        "dataset": {"uri": str(path), "format": "jsonl" if "jsonl" in path.name else "parquet"}
        | {"task": "tabular-classification"},
        "proxy": {"name": "mlp"},
        "plan": {"keep_ratio": 0.6},
    }


def test_a_job_is_accepted_before_its_rows_are_counted(client: TestClient, store: JobStore, slow: Path) -> None:
    taken = client.post("/v1/jobs", json=of_table(slow))
    planned = client.post("/v1/jobs?validate_only=true", json=of_table(slow))
    named = client.post("/v1/datasets", json=of_table(slow)["dataset"] | {"name": "slow"})

    assert (taken.status_code, taken.json()["rows_in"]) == (202, None)
    assert client.get(f"/v1/jobs/{taken.json()['id']}").json()["rows_in"] is None
    assert client.get("/v1/jobs").json()["data"][0]["rows_in"] is None
    assert store.job(taken.json()["id"], tenant="default").dataset_guard.startswith("files:")
    unknown = ("rows_in", "rows_kept", "cost_at_most", "seconds", "peak_memory_bytes")
    assert [planned.json()[fact] for fact in unknown] == [None] * len(unknown)
    assert planned.json()["columns"] == named.json()["columns"] == ["x", "label"]
    assert (named.status_code, named.json()["rows"]) == (201, None)
    assert client.get("/v1/datasets/slow").json()["changed"] is False


def test_what_does_not_depend_on_the_rows_is_refused_all_the_same(
    client: TestClient, slow: Path, must_refuse: Callable[..., None]
) -> None:
    answer = client.post("/v1/jobs", json=of_table(slow) | {"plan": {"keep_ratio": 0.2, "class_floor": 0.4}})

    must_refuse(answer, code="too_few_rows_kept", field="plan.class_floor", says="keeps more than")


@pytest.fixture
def api(settings: Settings, keys: ApiKeyStore, tmp_path: Path) -> Iterator[ApiProcess]:
    """The API as a process, which asks for keys."""
    with api_process(settings.model_copy(update={"auth": "keys"}), log=tmp_path / "api.log") as api:
        yield api


def children(api: ApiProcess) -> list[psutil.Process]:
    assert api.process
    return psutil.Process(api.process.pid).children()


def test_the_processes_start_with_the_api_and_end_with_it_however_it_ends(api: ApiProcess) -> None:
    until(lambda: len(children(api)) == 2)
    started = children(api)

    api.kill()

    until(lambda: not any(process.is_running() for process in started))


def test_whoever_submits_slow_files_keeps_nobody_else_waiting(
    api: ApiProcess, keys: ApiKeyStore, slow: Path, table: Path, tmp_path: Path
) -> None:
    attacker, other = (bearer(keys.create(NewApiKey(tenant=tenant))[1]) for tenant in ("attacker", "other"))
    slow_files = [slow.with_name(f"{number}-{slow.name}") for number in range(ATTACKS)]
    for path in slow_files:
        path.hardlink_to(slow)
    with httpx.Client(base_url=api.url, timeout=60) as client, ThreadPoolExecutor(ATTACKS) as threads:
        job = client.post("/v1/jobs", json=of_table(table), headers=other)

        begun = [threads.submit(post, f"{api.url}/v1/jobs", of_table(path), attacker) for path in slow_files]
        looks = []
        while not all(attack.done() for attack in begun):
            looks.append(timed(lambda: client.get(f"/v1/jobs/{job.json()['id']}", headers=other)))
            time.sleep(LOOKS_PAUSE)
        taken = timed(lambda: client.post("/v1/jobs", json=of_table(table), headers=other))
    for path in slow_files:
        path.unlink()

    assert sorted(looks)[len(looks) // 2] < 0.5
    assert max(*looks, taken) < 5, "not as long as the looks at slow files take together"
    outcomes = [attack.result() for attack in begun]
    assert {answer.status_code for answer in outcomes} == {202, 503}
    busy = [answer for answer in outcomes if answer.status_code == 503]
    assert {(answer.json()["code"], answer.headers["Retry-After"]) for answer in busy} == {("inspection_busy", "2")}


def post(url: str, body: Json, headers: dict[str, str]) -> httpx.Response:
    return httpx.post(url, json=body, headers=headers, timeout=60)


def timed(request: Callable[[], httpx.Response]) -> float:
    """How long a request takes that succeeds."""
    began = time.monotonic()
    request().raise_for_status()
    return time.monotonic() - began
