"""What a job would take, asked before it is submitted."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select, update

from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.selection.workload import most_work
from ted_jobs.db.engine import write_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.db.throughputs import Throughput, record
from ted_jobs.jobs.leases import Leases
from tests.service.conftest import Json, on_both_databases


def result(rows: int, epochs: int, *, cost: float, seconds: float, memory: int) -> Json:
    """What a worker says about a job that has succeeded."""
    full_run = rows * epochs
    return {
        "rows_in": rows,
        "classes": 10,
        "device": "cpu, 2 threads",
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
    assert (estimate["proxy"]["epochs"], estimate["plan"]["rounds"]) == (12, 3)
    assert estimate["rows_kept"] == round(0.6 * estimate["rows_in"])
    assert "label" in estimate["columns"]


def test_without_earlier_jobs_the_arithmetic_bounds_the_cost(
    client: TestClient, submission: Callable[..., Json]
) -> None:
    estimate = estimate_of(client, submission())

    plan, proxy = PruningPlan(keep_ratio=0.6), resolve_proxy(ProxySpec(name="cnn"))
    most = most_work(estimate["rows_in"], plan, proxy)
    assert most is not None
    assert estimate["cost_at_most"] == pytest.approx(most / (12 * estimate["rows_in"]))
    unknown = ("precedents", "cost", "seconds", "peak_memory_bytes")
    assert [estimate[name] for name in unknown] == [0, None, None, None]


@on_both_databases
def test_expected_time_is_scaled_from_earlier_jobs_by_rows(
    client: TestClient, submission: Callable[..., Json], ran: Callable[..., None]
) -> None:
    for seconds in (10, 20, 60):
        ran(submission(), cost=0.3, seconds=seconds, memory=10**12)

    estimate = estimate_of(client, submission("parts"))

    assert estimate["precedents"] == 3
    assert estimate["seconds"] == pytest.approx({"least": 20, "typical": 40, "most": 120}, rel=0.02)
    assert estimate["cost"] == pytest.approx({"least": 0.3, "typical": 0.3, "most": 0.3}, rel=0.02)
    assert (estimate["classes"], estimate["peak_memory_bytes"]) == (4, 2 * 10**12)
    assert (estimate["based_on"], estimate["device"]) == ("precedents", "cpu, 2 threads")


@pytest.mark.parametrize(
    "other",
    [
        {"proxy": {"name": "mlp"}},
        {"proxy": {"epochs": 24}},
        {"plan": {"method": "el2n"}},
        {"dataset": {"target": "label"}},
        {"dataset": {"input": "image"}},
    ],
    ids=["proxy", "epochs", "method", "target", "input"],
)
def test_only_jobs_that_train_the_same_on_the_same_columns_are_precedents(
    client: TestClient, submission: Callable[..., Json], ran: Callable[..., None], other: Json
) -> None:
    ran(submission(**other), cost=0.1, seconds=1, memory=1)

    assert estimate_of(client, submission())["precedents"] == 0
    assert estimate_of(client, submission(**other))["precedents"] == 1


@pytest.mark.parametrize("keep_ratio", [0.2, 0.6, 0.95])
def test_what_a_job_usually_costs_is_never_more_than_it_can_at_most(
    client: TestClient, submission: Callable[..., Json], ran: Callable[..., None], keep_ratio: float
) -> None:
    for ratio, cost in ((0.9, 3.0), (0.5, 0.9), (0.3, 0.2)):
        ran(submission(plan={"keep_ratio": ratio}), cost=cost, seconds=10, memory=1)

    estimate = estimate_of(client, submission(plan={"keep_ratio": keep_ratio}))

    assert 0 < estimate["cost"]["least"] <= estimate["cost"]["typical"] <= estimate["cost"]["most"]
    assert estimate["cost"]["most"] <= estimate["cost_at_most"]


def test_a_job_that_trains_more_takes_longer_by_its_training(
    client: TestClient, submission: Callable[..., Json], ran: Callable[..., None]
) -> None:
    ran(submission(plan={"keep_ratio": 0.3, "q": 1.0}), cost=0.2, seconds=100, memory=1)

    same, searching = (estimate_of(client, submission(plan={"keep_ratio": 0.3, "q": q})) for q in (1.0, "auto"))

    more = searching["cost"]["typical"] / same["cost"]["typical"]
    assert more > 1.2
    assert same["seconds"]["typical"] == pytest.approx(100)
    assert searching["seconds"]["typical"] == pytest.approx(25 + 75 * more)


def test_a_guard_is_estimated_to_cost_up_to_half_a_run_more(
    client: TestClient, submission: Callable[..., Json]
) -> None:
    plain, guarded = (
        estimate_of(client, submission(plan={"keep_ratio": 0.7, "guard": guard}))["cost_at_most"]
        for guard in (False, True)
    )

    assert 0.3 < guarded - plain <= 0.5


def test_a_precedent_that_another_version_has_planned_is_passed_over(
    client: TestClient, submission: Callable[..., Json], ran: Callable[..., None], engine: Engine
) -> None:
    ran(submission(), cost=0.5, seconds=10, memory=1)
    with write_transaction(engine) as connection:
        spec = connection.scalar(select(jobs.c.spec))
        connection.execute(update(jobs).values(spec=spec | {"plan": spec["plan"] | {"not_yet": 1}}))

    assert estimate_of(client, submission())["precedents"] == 0


# --- without an earlier job like it -----------------------------------------------------------------------------------


def measured(engine: Engine, *, proxy: str = "cnn", size: int = 64, rate: float = 10.0, device: str = "cpu") -> None:
    record(engine, Throughput(f"{device} {size}", device, proxy, None, size, rate))


def test_no_worker_has_measured_anything_and_the_estimate_says_so(
    client: TestClient, submission: Callable[..., Json]
) -> None:
    estimate = estimate_of(client, submission())

    assert [estimate[name] for name in ("seconds", "based_on", "device")] == [None, None, None]
    assert estimate["seconds_note"].startswith("No worker has measured this proxy yet")


@on_both_databases
def test_the_first_job_is_estimated_from_the_measured_speed_of_the_workers(
    client: TestClient, submission: Callable[..., Json], engine: Engine
) -> None:
    measured(engine, size=8 * 8, rate=10.0, device="cpu, 2 threads")

    estimate = estimate_of(client, submission("digits.npz", proxy={"name": "cnn", "epochs": 12}))

    work = most_work(40, PruningPlan(keep_ratio=0.6), resolve_proxy(ProxySpec(name="cnn")))
    assert work is not None
    assert estimate["seconds"] == pytest.approx({"least": work / 20, "typical": work / 10, "most": work / 5})
    assert (estimate["based_on"], estimate["device"]) == ("throughput", "cpu, 2 threads")
    assert (estimate["precedents"], estimate["seconds_note"]) == (0, None)


def test_the_jobs_of_other_tenants_lend_their_speed_and_nothing_else(
    client: TestClient, submission: Callable[..., Json], ran: Callable[..., None], engine: Engine
) -> None:
    ran(submission("digits.npz"), cost=0.5, seconds=10, memory=10**12)
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values(tenant="somebody-else"))
    measured(engine)

    estimate = estimate_of(client, submission("digits.npz"))

    assert estimate["based_on"] == "throughput"
    assert (estimate["precedents"], estimate["cost"]) == (0, None)
    assert (estimate["classes"], estimate["peak_memory_bytes"] < 10**12) == (4, True)  # its own, not the other job's


def test_slow_and_fast_devices_widen_the_estimate(
    client: TestClient, submission: Callable[..., Json], engine: Engine
) -> None:
    measured(engine, rate=10.0, device="cpu, 2 threads")
    measured(engine, rate=1000.0, device="NVIDIA H200")

    estimate = estimate_of(client, submission("digits.npz"))

    assert estimate["device"] == "NVIDIA H200 or cpu, 2 threads"
    assert estimate["seconds"]["most"] == pytest.approx(400 * estimate["seconds"]["least"])


def test_the_first_image_or_the_request_tells_the_size_of_images(
    client: TestClient, submission: Callable[..., Json], engine: Engine
) -> None:
    measured(engine, size=8 * 8)

    small = estimate_of(client, submission())
    larger = estimate_of(client, submission(dataset={"image_size": 16}))

    assert (small["seconds_note"], larger["seconds_note"]) == (None, None)
    assert larger["seconds"]["typical"] == pytest.approx(3 * 4 * small["seconds"]["typical"])


def test_of_tables_whose_columns_no_header_measures_each_counts_as_one_number(
    client: TestClient, submission: Callable[..., Json], engine: Engine
) -> None:
    measured(engine, proxy="mlp", size=2)

    body = submission("numbers.parquet", dataset={"task": "tabular-classification"}, proxy={"name": "mlp"})
    estimate = estimate_of(client, body)

    work = most_work(40, PruningPlan(keep_ratio=0.6), resolve_proxy(ProxySpec(name="mlp")))
    assert work is not None
    assert estimate["seconds"]["typical"] == pytest.approx(work / 10)
    assert "images" not in (estimate["seconds_note"] or "")


@pytest.mark.parametrize(
    ("plan", "why"),
    [({"method": "random"}, "Nothing is trained"), ({"method": "el2n"}, "is not planned")],
    ids=["nothing trained", "not planned"],
)
def test_what_cannot_be_estimated_is_explained(
    client: TestClient, submission: Callable[..., Json], engine: Engine, plan: Json, why: str
) -> None:
    measured(engine)

    estimate = estimate_of(client, submission("digits.npz", plan=plan))

    assert estimate["seconds"] is None
    assert why in estimate["seconds_note"]


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


@pytest.mark.parametrize("strict", [False, True])
def test_too_little_training_is_a_warning_before_it_costs_anything(
    client: TestClient, submission: Callable[..., Json], strict: bool
) -> None:
    body = submission(proxy={"name": "mlp", "epochs": 2, "learning_rate": 10}, strict=strict)

    answer = client.post("/v1/jobs", params={"validate_only": True}, json=body)

    told = answer.json()["errors"] if strict else answer.json()["warnings"]
    assert answer.status_code == (422 if strict else 200)
    assert [one["field"] for one in told] == ["proxy.epochs", "proxy.learning_rate"]


def test_balance_cannot_be_kept_where_nothing_is_classified(
    client: TestClient, submission: Callable[..., Json], data: Path
) -> None:
    (data / "talk.jsonl").write_text('{"prompt": "Hi", "response": "Hello"}\n' * 40)
    body = submission("talk.jsonl", plan={"class_balance": "keep"})
    body |= {"dataset": body["dataset"] | {"task": "causal-lm"}, "proxy": {"name": "lora"}}

    answer = client.post("/v1/jobs", params={"validate_only": True}, json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "setting_unsuited")
    assert [one["field"] for one in answer.json()["errors"]] == ["plan.class_balance"]


def test_a_guard_beside_a_search_that_tries_random_rows_anyway_is_refused(
    client: TestClient, submission: Callable[..., Json]
) -> None:
    answer = client.post("/v1/jobs", json=submission(plan={"guard": True, "q": "auto"}))

    assert (answer.status_code, answer.json()["code"]) == (422, "setting_unsuited")
    assert [one["field"] for one in answer.json()["errors"]] == ["plan.guard"]
    assert "which tries random rows anyway" in answer.json()["detail"]


def test_an_open_ratio_is_estimated_to_cost_a_run_more_and_how_many_rows_it_keeps_is_not_known(
    client: TestClient, submission: Callable[..., Json], data: Path
) -> None:
    (data / "many.csv").write_text("x,label\n" + "".join(f"{row},{row % 2}\n" for row in range(100)))
    table = {"dataset": {"task": "tabular-classification", "target": "label"}, "proxy": {"name": "mlp"}}

    fixed, found = (
        estimate_of(client, submission("many.csv", **table, plan={"keep_ratio": ratio})) for ratio in (0.7, "auto")
    )

    assert found["rows_kept"] is None
    assert (found["plan"]["keep_ratio"], found["plan"]["tolerance"]) == ("auto", 0.3)
    assert 0.9 < found["cost_at_most"] - fixed["cost_at_most"] < 1.2


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        ({"keep_ratio": 0.6, "tolerance": 0.3}, "plan.tolerance"),
        ({"keep_ratio": "auto", "method": "random"}, "plan.keep_ratio"),
        ({"keep_ratio": "most"}, "plan.keep_ratio"),
        ({"keep_ratio": "auto", "tolerance": 0}, "plan.tolerance"),
        ({"keep_ratio": 60}, "plan.keep_ratio"),
    ],
    ids=str,
)
def test_a_ratio_that_cannot_be_meant_is_refused_by_its_field(
    client: TestClient, submission: Callable[..., Json], plan: Json, field: str
) -> None:
    answer = client.post("/v1/jobs", json=submission(plan=plan))

    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["errors"]] == [field]


def test_a_single_file_cannot_be_divided_among_ranks(client: TestClient, submission: Callable[..., Json]) -> None:
    answer = client.post("/v1/jobs", json=submission(plan={"sampling": "sharded"}))

    assert (answer.status_code, answer.json()["code"]) == (422, "too_few_shards")
    assert [one["field"] for one in answer.json()["errors"]] == ["plan.sampling"]
