"""What Prometheus reads: true numbers, the same from every process, for those who may see them."""

from contextlib import closing

import pytest
from fastapi.testclient import TestClient
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parsed
from sqlalchemy import Engine, update

from service.app import create_app
from ted_core.datasets import DatasetSummary
from ted_jobs.db import counters
from ted_jobs.db.engine import now, write_transaction
from ted_jobs.db.presence import presence
from ted_jobs.db.tables import jobs, outbox
from ted_jobs.jobs import maintenance, retention
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.service.conftest import must_be_documented, on_both_databases

SPEC = JobSpec.model_validate(
    {
        "dataset": {"uri": "/data/secret.parquet", "task": "image-classification"},
        "proxy": {"name": "cnn"},
        "plan": {"keep_ratio": 0.6},
        "metadata": {"team": "secret"},
    }
)
SUMMARY = DatasetSummary(rows=1797, columns=("image", "label"), change_token="guard")  # noqa: S106 - of a file, no secret
Numbers = dict[str, float]


def answered(settings: Settings, *, host: str = "127.0.0.1", **headers: str):
    """The answer of a fresh API process to a client with this address."""
    with TestClient(create_app(settings), client=(host, 50000)) as client:
        client.event_hooks = {"response": [must_be_documented]}
        return client.get("/metrics", headers=headers)


def numbers(settings: Settings) -> Numbers:
    """Every sample, under its name and its one label."""
    families = parsed(answered(settings).text)
    samples = [sample for family in families for sample in family.samples]
    return {" ".join([sample.name, *sample.labels.values()]): sample.value for sample in samples}


def submitted(store: JobStore) -> str:
    return store.submit(SPEC, SUMMARY, tenant="default").job.id


@on_both_databases
def test_jobs_are_counted_by_status_and_what_waits_by_its_age(
    settings: Settings, store: JobStore, leases: Leases, engine: Engine
) -> None:
    submitted(store)
    assert leases.claim(submitted(store), worker="w")
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values(queued_at=now(-90)))
        connection.execute(update(outbox).values(created_at=now(-30)))

    samples = numbers(settings)

    assert (samples["ted_jobs queued"], samples["ted_jobs running"], samples["ted_jobs succeeded"]) == (1, 1, 0)
    assert samples["ted_outbox_hints"] == 2
    assert samples["ted_queue_oldest_seconds"] == pytest.approx(90, abs=10)
    assert samples["ted_outbox_oldest_seconds"] == pytest.approx(30, abs=10)


@on_both_databases
def test_ages_are_zero_if_nothing_waits(settings: Settings, engine: Engine) -> None:
    samples = numbers(settings)

    assert (samples["ted_queue_oldest_seconds"], samples["ted_outbox_oldest_seconds"], samples["ted_stale_leases"]) == (
        0,
        0,
        0,
    )


@on_both_databases
def test_a_lost_lease_is_counted_before_and_after_it_is_reaped(
    settings: Settings, store: JobStore, leases: Leases, engine: Engine
) -> None:
    assert leases.claim(submitted(store), worker="w")
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values(lease_expires_at=now(-1)))
    before = numbers(settings)

    maintenance.reap_expired_leases(engine)

    after = numbers(settings)
    assert (before["ted_stale_leases"], before["ted_lease_expiries_total"]) == (1, 0)
    assert (after["ted_stale_leases"], after["ted_lease_expiries_total"]) == (0, 1)
    assert (after["ted_job_moves_total running"], after["ted_job_moves_total queued"]) == (1, 1)


@on_both_databases
def test_counters_outlive_restarts_and_deleted_jobs(settings: Settings, store: JobStore, engine: Engine) -> None:
    store.cancel(submitted(store), tenant="default")
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values(finished_at=now(-86400)))
    retention.delete_old_jobs(engine, days=0.5)
    counters.compact_counters(engine)

    samples = numbers(settings)

    assert samples["ted_jobs cancelled"] == 0
    assert (samples["ted_jobs_submitted_total"], samples["ted_job_moves_total cancelled"]) == (1, 1)


def test_the_mean_duration_of_a_phase_can_be_derived(settings: Settings, engine: Engine) -> None:
    with write_transaction(engine) as connection:
        for seconds in (1.5, 2.5):
            counters.increment_counter(connection, counters.PHASE_SECONDS, "pruning", amount=seconds)
            counters.increment_counter(connection, counters.PHASES, "pruning")

    samples = numbers(settings)

    assert (samples["ted_phase_seconds_sum pruning"], samples["ted_phase_seconds_count pruning"]) == (4, 2)


def test_a_running_sweeper_is_reported(settings: Settings, engine: Engine) -> None:
    assert numbers(settings)["ted_sweeper_leads"] == 0

    with closing(presence(engine)) as lock:
        lock.renew()

        assert numbers(settings)["ted_sweeper_leads"] == 1


def test_no_metric_names_a_job_a_client_a_file_or_a_machine(
    settings: Settings, store: JobStore, leases: Leases, engine: Engine
) -> None:
    job_id = submitted(store)
    assert leases.claim(job_id, worker="secret-machine:2")
    maintenance.acquire_leadership(engine, "sweeper", holder="secret-machine:1", seconds=60)

    page = answered(settings).text

    assert "ted_jobs" in page
    assert job_id not in page
    assert "secret" not in page


@pytest.mark.usefixtures("engine")
def test_openmetrics_is_sent_to_clients_that_prefer_it(settings: Settings) -> None:
    accept = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"

    openmetrics, plain = answered(settings, accept=accept), answered(settings)

    assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert {family.name for family in parsed_openmetrics(openmetrics.text)} >= {"ted_jobs", "ted_job_moves"}
    assert openmetrics.headers["Vary"] == plain.headers["Vary"] == "Accept"


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("host", "headers"),
    [
        pytest.param("192.0.2.7", {}, id="another machine"),
        pytest.param("127.0.0.1", {"x-forwarded-for": "192.0.2.7"}, id="through a proxy on this one"),
        pytest.param("testclient", {}, id="no address"),
    ],
)
def test_other_machines_see_metrics_only_if_the_operator_allows_it(
    settings: Settings, host: str, headers: dict[str, str]
) -> None:
    refused = answered(settings, host=host, **headers)
    opened = answered(settings.model_copy(update={"metrics": "open"}), host=host, **headers)

    assert (refused.status_code, refused.json()["code"]) == (403, "metrics_not_shown")
    assert "TED_METRICS=open" in refused.json()["detail"]
    assert opened.status_code == 200


def test_without_a_database_metrics_are_answered_with_a_problem(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"database_url": "postgresql://postgres@127.0.0.1:1/nowhere"})

    answer = answered(nowhere)

    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
