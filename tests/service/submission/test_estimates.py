"""What a job would take, asked before it is submitted."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.selection.workload import most_rows_trained
from ted_jobs.jobs.leases import Leases
from tests.service.conftest import Json, on_both_databases


def result(rows: int, epochs: int, *, cost: float, seconds: float, memory: int) -> Json:
    """What a worker says about a job that has succeeded."""
    full_run = rows * epochs
    return {
        "rows_in": rows,
        "classes": 10,
        "peak_memory_bytes": memory,
        "cost": {"full_run_rows": full_run, "of_one_full_run": cost, "seconds": seconds},
        "seconds": {"loading": 0.25 * seconds, "pruning": 0.75 * seconds},
    }


@pytest.fixture
def ran(client: TestClient, leases: Leases) -> Callable[..., None]:
    """A job that has succeeded, having taken so much."""

    def run(body: Json, **taken: float) -> None:
        stored = client.post("/v1/jobs", json=body).json()
        claim = leases.claim(stored["id"], worker="w")
        assert claim
        leases.begin_finalizing(claim)
        leases.finish(claim, published=[], result=result(stored["rows_in"], stored["proxy"]["epochs"], **taken))

    return run


def estimate_of(client: TestClient, body: Json) -> Json:
    answer = client.post("/v1/jobs", params={"validate_only": True}, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_estimate_stores_nothing_and_writes_out_every_default(
    client: TestClient, submission: Callable[..., Json], rows: Callable[[], dict[str, int]]
) -> None:
    estimate = estimate_of(client, submission())

    assert set(rows().values()) == {0}
    assert estimate["object"] == "estimate"
    assert (estimate["proxy"]["epochs"], estimate["plan"]["rounds"]) == (12, 6)
    assert estimate["rows_kept"] == round(0.6 * estimate["rows_in"])
    assert "label" in estimate["columns"]


def test_without_earlier_jobs_the_arithmetic_bounds_the_cost(
    client: TestClient, submission: Callable[..., Json]
) -> None:
    estimate = estimate_of(client, submission())

    plan, proxy = PruningPlan(keep_ratio=0.6), resolve_proxy(ProxySpec(name="cnn"))
    most = most_rows_trained(estimate["rows_in"], plan, proxy)
    assert most is not None
    assert estimate["cost_at_most"] == pytest.approx(most / (12 * estimate["rows_in"]))
    unknown = ("precedents", "classes", "cost", "seconds", "peak_memory_bytes")
    assert [estimate[name] for name in unknown] == [0, None, None, None, None]


@on_both_databases
def test_expected_time_is_scaled_from_earlier_jobs_by_rows_and_epochs(
    client: TestClient, submission: Callable[..., Json], ran: Callable[..., None]
) -> None:
    for seconds in (10, 20, 60):
        ran(submission(), cost=0.5, seconds=seconds, memory=1000)

    estimate = estimate_of(client, submission(proxy={"name": "cnn", "epochs": 24}))

    assert estimate["precedents"] == 3
    assert estimate["seconds"] == {"least": 20, "typical": 40, "most": 120}
    assert estimate["cost"] == {"least": 0.5, "typical": 0.5, "most": 0.5}
    assert (estimate["classes"], estimate["peak_memory_bytes"]) == (10, 1000)


def test_only_earlier_jobs_with_the_same_method_and_proxy_count(
    client: TestClient, submission: Callable[..., Json], ran: Callable[..., None]
) -> None:
    ran(submission(proxy={"name": "mlp"}), cost=0.1, seconds=1, memory=1)
    ran(submission(plan={"method": "el2n"}), cost=0.1, seconds=1, memory=1)

    assert estimate_of(client, submission())["precedents"] == 0


@pytest.mark.parametrize("method", ["random", "stratified"])
def test_a_method_that_trains_nothing_costs_nothing(
    client: TestClient, submission: Callable[..., Json], method: str
) -> None:
    assert estimate_of(client, submission(plan={"method": method}))["cost_at_most"] == 0


def test_a_rival_method_that_trains_has_no_upper_bound(client: TestClient, submission: Callable[..., Json]) -> None:
    assert estimate_of(client, submission(plan={"method": "el2n"}))["cost_at_most"] is None


@pytest.mark.parametrize(
    ("query", "field"), [("validate_only=perhaps", "validate_only"), ("validate-only=true", "validate-only")]
)
def test_an_invalid_query_stores_nothing(
    client: TestClient, submission: Callable[..., Json], must_refuse: Callable[..., None], query: str, field: str
) -> None:
    answer = client.post(f"/v1/jobs?{query}", json=submission())

    must_refuse(answer, code="invalid_request", field=field, says="")


def test_a_job_that_would_be_refused_gets_no_estimate(
    client: TestClient, submission: Callable[..., Json], must_refuse: Callable[..., None]
) -> None:
    answer = client.post("/v1/jobs?validate_only=true", json=submission(plan={"keep_ratio": 0.0001}))

    must_refuse(answer, code="too_few_rows_kept", field="plan.keep_ratio", says="leaves")
