"""What workers have measured of their speed: the newest, of each worker, and nothing about whose job it was."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine, select, update

from ted_jobs.db import throughputs
from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import throughputs as table
from ted_jobs.db.throughputs import Throughput

MEASURED = Throughput("host auto 2", "cpu, 2 threads", "cnn", None, input_size=3072, rows_per_second=1000.0)


def recent(engine: Engine, model: str | None = None) -> list[Throughput]:
    return throughputs.recent(engine, proxy="cnn", model=model)


def age(engine: Engine, days: float) -> None:
    with write_transaction(engine) as connection:
        connection.execute(update(table).values(measured_at=now(-days * throughputs.DAY)))


def test_what_was_measured_is_found_by_proxy_and_model(engine: Engine) -> None:
    of_model = replace(MEASURED, model="/models/secret-project")

    throughputs.record(engine, MEASURED)
    throughputs.record(engine, of_model)

    assert recent(engine) == [MEASURED]
    assert recent(engine, "/models/secret-project") == [of_model]
    assert recent(engine, "other") == []


def test_of_a_models_name_only_a_digest_is_stored(engine: Engine) -> None:
    throughputs.record(engine, replace(MEASURED, model="/models/secret-project"))

    with read_transaction(engine) as connection:
        stored = connection.execute(select(table)).one()

    assert "secret" not in str(stored)


def test_a_worker_that_measures_again_keeps_the_mean(engine: Engine) -> None:
    for rate in (1000.0, 4000.0):
        throughputs.record(engine, replace(MEASURED, rows_per_second=rate))

    assert recent(engine) == [replace(MEASURED, rows_per_second=2000.0)]


def test_a_worker_that_has_got_another_device_forgets_the_old_one(engine: Engine) -> None:
    throughputs.record(engine, MEASURED)

    faster = replace(MEASURED, device="NVIDIA H200", rows_per_second=90_000.0)
    throughputs.record(engine, faster)

    assert recent(engine) == [faster]


def test_workers_and_sizes_are_kept_apart(engine: Engine) -> None:
    several = [MEASURED, replace(MEASURED, input_size=64), replace(MEASURED, worker="other")]
    for one in several:
        throughputs.record(engine, one)

    assert sorted(map(str, recent(engine))) == sorted(map(str, several))


@pytest.mark.parametrize(("days", "fresh", "found"), [(6, True, 1), (8, False, 1), (31, False, 0)])
def test_what_is_old_is_measured_again_and_then_forgotten(
    engine: Engine, days: float, found: int, *, fresh: bool
) -> None:
    throughputs.record(engine, MEASURED)

    age(engine, days)

    assert throughputs.is_fresh(engine, MEASURED.worker, proxy="cnn") == fresh
    assert len(recent(engine)) == found
    assert throughputs.delete_old(engine) == 1 - found


def test_another_worker_or_proxy_is_not_fresh(engine: Engine) -> None:
    throughputs.record(engine, MEASURED)

    assert not throughputs.is_fresh(engine, "other", proxy="cnn")
    assert not throughputs.is_fresh(engine, MEASURED.worker, proxy="mlp")
