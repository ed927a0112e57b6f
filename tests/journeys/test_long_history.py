"""A day of the service beside many ended jobs: no statement that it sends looks at all of them.

The statements are those that are really sent, by every endpoint, by a worker with a job, and by the sweeper.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, update

from benchmarks.service.history import TENANT, add_history
from service.app import create_app
from ted_jobs.api_keys.secret import key_secret
from ted_jobs.api_keys.store import ApiKeyStore, NewApiKey
from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.db.throughputs import Throughput, record
from ted_jobs.jobs import filter as job_filter
from ted_jobs.jobs import maintenance
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.status import JobStatus
from ted_jobs.settings import Settings
from ted_jobs.webhooks import deliveries
from tests.servers.databases import DATABASES, migrated
from tests.servers.inspections import processes, share_processes  # noqa: F401 - fixtures
from tests.servers.statements import Statements, recorded_statements, work
from worker import maintenance_tasks, sweeper
from worker.backoff import SubmitterBackoff
from worker.tasks import run_jobs
from worker.webhooks.sender import attempt_delivery

ENDED, QUEUED, ROWS = 5_000, 20, 120
MOST_WORK = {"sqlite": 2 * ENDED, "postgresql": ENDED // 5}
"""Two steps of SQLite's for each ended job; a fifth of the ended jobs' rows, or as many pages."""

Json = dict[str, Any]


class Day:
    """A client that remembers which operations it has called."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.called: set[tuple[str, str]] = set()

    def __call__(self, method: str, path: str, /, body: Any = None, params: Any = None, **names: str) -> Any:
        """Call an operation, which must succeed, and return the JSON of its response, if it is some."""
        response = self.client.request(method, path.format(**names), json=body, params=params)
        assert response.is_success or path == "/readyz", (method, path, response.text)  # no broker answers
        self.called.add((method.lower(), path))
        is_json = response.content and "json" in response.headers["Content-Type"]
        return response.json() if is_json else None


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with DATABASES[request.param](tmp_path) as url, migrated(url) as engine:
        add_history(engine, ended=ENDED, queued=QUEUED)
        yield engine


@pytest.fixture
def settings(engine: Engine, tmp_path: Path) -> Settings:
    url = engine.url.render_as_string(hide_password=False)
    return Settings(
        home=tmp_path,
        database_url=url,
        dataset_roots=(tmp_path,),
        metrics="open",
        webhook_targets="loopback",
        retention_days=10_000,
        device="cpu",
        checkpoint_seconds=0,
        heartbeat_seconds=0.2,
    )


@pytest.fixture
def day(settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Day]:
    monkeypatch.setattr(maintenance_tasks, "notify", lambda *_: None)
    monkeypatch.setattr(maintenance_tasks, "queued_wake_ups", lambda *_: 0)
    monkeypatch.setattr(job_filter, "MOST_SEARCHED_BY_LABEL", 50)
    keys = ApiKeyStore(engine, secret=key_secret(settings))
    _, text = keys.create(NewApiKey(tenant=TENANT, most_queued=1000, most_running=1))
    with TestClient(create_app(settings)) as client:
        client.headers["Authorization"] = f"Bearer {text}"
        yield Day(client)


@pytest.fixture
def body(tmp_path: Path) -> Json:
    path = tmp_path / "rows.parquet"
    columns = {f"x{column}": [float(row * column % 7) for row in range(ROWS)] for column in range(1, 5)}
    pq.write_table(pa.table(columns | {"label": [row % 3 for row in range(ROWS)]}), path)
    return {
        "dataset": {"uri": str(path), "task": "tabular-classification"},
        "proxy": {"name": "mlp", "epochs": 3},
        "plan": {"keep_ratio": 0.6},
        "metadata": {"team": "vision"},
    }


def test_no_statement_looks_at_all_ended_jobs(day: Day, engine: Engine, settings: Settings, body: Json) -> None:
    with recorded_statements() as statements:
        live_a_day(day, engine, settings, body)

    assert day.called >= documented_operations(day.client)
    assert {statement: cost for statement, cost in costs(engine, statements).items() if cost > limit(engine)} == {}


def test_a_statement_that_looks_at_all_of_them_is_found(engine: Engine) -> None:
    with recorded_statements() as statements, read_transaction(engine) as connection:
        connection.execute(update(jobs).where(jobs.c.retry_of == "nobody").values(hints=0))
        connection.rollback()

    assert min(costs(engine, statements).values()) > limit(engine)


def live_a_day(day: Day, engine: Engine, settings: Settings, body: Json) -> None:
    """Call every endpoint, run a job, deliver messages, sweep."""
    hook = day("POST", "/v1/webhooks", {"url": "http://127.0.0.1:1/", "events": ["job.succeeded", "job.queued"]})["id"]
    register_names(day, body)
    day("POST", "/v1/jobs", body, {"validate_only": "true"})
    job_id = day("POST", "/v1/jobs", body)["id"]
    sweep(engine, settings)
    run_until_empty(engine, settings)
    read_the_job(day, job_id)
    list_jobs(day)
    end_other_jobs(day, engine, job_id, body)
    deliver(day, engine, hook)
    sweep(engine, settings)
    day("DELETE", "/v1/jobs/{job_id}", job_id=job_id)
    for path in ("/healthz", "/metrics", "/readyz"):
        day("GET", path)


def register_names(day: Day, body: Json) -> None:
    day("POST", "/v1/datasets", body["dataset"] | {"name": "rows"})
    day("POST", "/v1/proxies", {"name": "small", "proxy": body["proxy"]})
    for kind, name in (("datasets", "rows"), ("proxies", "small")):
        day("GET", f"/v1/{kind}")
        day("GET", f"/v1/{kind}/{{name}}", name=name)
        day("DELETE", f"/v1/{kind}/{{name}}", name=name)


def sweep(engine: Engine, settings: Settings) -> None:
    """Run every task of the sweeper, those of a minute and an hour as well."""
    assert maintenance.is_work_due(engine)
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).where(jobs.c.status == JobStatus.QUEUED).values(ring_at=now(-1)))
    sweeper.sweep(engine, tasks=maintenance_tasks.maintenance_tasks(settings), holder="sweeper")


def run_until_empty(engine: Engine, settings: Settings) -> None:
    """Run the job of this day as a worker does; the others that are queued are cancelled first."""
    with write_transaction(engine) as connection:
        connection.execute(
            update(jobs)
            .where(jobs.c.spec["dataset"]["uri"].as_string() == "/data/digits.parquet", jobs.c.status == "queued")
            .values(status="cancelled", finished_at=now())
        )
    run_jobs("any", engine=engine, settings=settings, shutting_down=lambda: False, backoff=SubmitterBackoff())


def read_the_job(day: Day, job_id: str) -> None:
    assert day("GET", "/v1/jobs/{job_id}", job_id=job_id)["status"] == "succeeded"
    for name in ("manifest", "decisions"):
        day("GET", f"/v1/jobs/{{job_id}}/{name}", job_id=job_id)
        day("HEAD", f"/v1/jobs/{{job_id}}/{name}", job_id=job_id)
    day("GET", "/v1/jobs/{job_id}/manifest", None, {"keep_ratio": "0.4"}, job_id=job_id)
    for name in ("events", "report", "suspects", "queue"):
        day("GET", f"/v1/jobs/{{job_id}}/{name}", job_id=job_id)


def list_jobs(day: Day) -> None:
    after = day("GET", "/v1/jobs")["next"]
    for query in (
        {"after": after},
        {"after": after.split(".")[0]},
        {"status": "cancelling"},
        {"status": ["failed", "cancelling"], "after": after},
        {"metadata[team]": "nobody"},
        {"metadata[team]": "vision", "after": after},
        {"metadata[team]": "nobody", "metadata[stage]": "none", "status": "cancelling", "after": after},
        {"metadata[team]": "vision", "metadata[stage]": "none"},
        {"metadata[team]": "vision", "status": "cancelling"},
        {"created_after": "2999-01-01T00:00:00Z"},
        {"created_before": "2000-01-01T00:00:00Z", "status": "failed"},
    ):
        day("GET", "/v1/jobs", None, query)


def end_other_jobs(day: Day, engine: Engine, job_id: str, body: Json) -> None:
    """Cancel a queued job, let the lease of another expire, and the deadline of a third pass."""
    day("POST", "/v1/jobs/{job_id}/cancel", job_id=day("POST", "/v1/jobs/{job_id}/retry", job_id=job_id)["id"])
    for deadline in (None, 3600):
        day("POST", "/v1/jobs", body | ({"deadline_seconds": deadline} if deadline else {}))
    claim = Leases(engine).claim_next(worker="frozen")
    assert claim
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).where(jobs.c.id == claim.job.id).values(lease_expires_at=now(-1)))
        connection.execute(update(jobs).where(jobs.c.deadline_at.is_not(None)).values(deadline_at=now(-1)))
    record(engine, Throughput("worker", "cpu", "mlp", None, 4, 1000.0))


def deliver(day: Day, engine: Engine, hook: str) -> None:
    """Send a message, which is not accepted; record every outcome; read, send again, change and delete."""
    of_hook = {"webhook_id": hook}
    for _ in range(3):
        day("POST", "/v1/webhooks/{webhook_id}/ping", **of_hook)
    for end in (deliveries.succeed, deliveries.give_up):
        claimed = deliveries.claim_next(engine)
        assert claimed
        end(engine, claimed, deliveries.Outcome(500))
    claimed = deliveries.claim_next(engine)
    assert claimed
    attempt_delivery(engine, claimed, reach="loopback")
    path = "/v1/webhooks/{webhook_id}/deliveries"
    listed = day("GET", path, **of_hook)["data"]
    day("GET", path, None, {"status": "failed", "after": listed[0]["id"]}, **of_hook)
    day("POST", f"{path}/{{delivery_id}}/redeliver", **of_hook, delivery_id=listed[0]["id"])
    day("POST", "/v1/webhooks/{webhook_id}/rotate", **of_hook)
    day("GET", "/v1/webhooks")
    day("GET", "/v1/webhooks/{webhook_id}", **of_hook)
    day("PATCH", "/v1/webhooks/{webhook_id}", {"enabled": False}, **of_hook)
    day("DELETE", "/v1/webhooks/{webhook_id}", **of_hook)


def documented_operations(client: TestClient) -> set[tuple[str, str]]:
    """Every method and path of the API."""
    paths: Json = client.app.openapi()["paths"]  # type: ignore[attr-defined]
    return {(method, path) for path, operations in paths.items() for method in operations}


def costs(engine: Engine, statements: Statements) -> dict[str, int]:
    """What each statement looks at, with the parameters for which that is most."""
    with engine.connect() as connection:
        return {
            statement: max(work(connection, statement, parameters) for parameters in examples)
            for statement, examples in statements.items()
            if statement.split()[0] in {"SELECT", "UPDATE", "DELETE", "WITH"}
        }


def limit(engine: Engine) -> int:
    """What a statement may look at."""
    return MOST_WORK[engine.dialect.name]
