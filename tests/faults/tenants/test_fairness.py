"""Tenants that share a real worker: none waits for what another has queued, or for its crashes."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from ted_core.datasets import inspect
from ted_jobs.db.engine import read_transaction
from ted_jobs.db.tables import events, jobs
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.store import JobStore
from tests.faults.conftest import body_on
from tests.faults.service import Service, serving
from tests.servers.databases import DATABASES, migrated
from tests.servers.stacks import until

pytestmark = pytest.mark.faults
CRASHING_RUNNER = str(Path(__file__).with_name("crashing_runner.py"))
CRASHING_SEED = 13


@dataclass(frozen=True)
class Tenants:
    """A service whose worker is shared."""

    service: Service
    engine: Engine
    table: Path

    def submit(self, tenant: str, *, count: int = 1, seed: int = 0) -> list[str]:
        """Submit so many jobs of the tenant."""
        spec = JobSpec.model_validate(body_on(self.table)(seed))
        summary = inspect(spec.dataset, roots=[self.table.parent])
        store = JobStore(self.engine)
        return [store.submit(spec, summary, tenant=tenant).job.id for _ in range(count)]

    def starts(self) -> list[str]:
        """Return the tenants in the order in which attempts at their jobs began."""
        began = select(jobs.c.tenant).join(events).where(events.c.type == "job.running").order_by(events.c.created_at)
        with read_transaction(self.engine) as connection:
            return list(connection.scalars(began))

    def settled(self) -> bool:
        """Say whether every job has ended."""
        with read_transaction(self.engine) as connection:
            return connection.scalar(select(func.count()).where(jobs.c.finished_at.is_(None))) == 0


@pytest.fixture(params=DATABASES)
def tenants(request: pytest.FixtureRequest, tmp_path: Path, table: Path) -> Iterator[Tenants]:
    home = tmp_path / "home"
    home.mkdir()
    with (
        DATABASES[request.param](tmp_path) as url,
        migrated(url) as engine,
        serving(home, database=url, roots=table.parent, runner=CRASHING_RUNNER) as service,
    ):
        yield Tenants(service, engine, table)


def test_a_job_starts_next_however_many_another_tenant_has_queued(tenants: Tenants) -> None:
    tenants.service.stop("worker")
    tenants.submit("many", count=50)
    tenants.submit("few")

    tenants.service.start("worker")
    until(tenants.settled, seconds=120)

    assert tenants.starts() == ["many", "few", *["many"] * 49]


def test_a_job_starts_within_seconds_while_another_tenants_jobs_crash(tenants: Tenants) -> None:
    tenants.submit("crashing", count=8, seed=CRASHING_SEED)
    until(lambda: len(tenants.starts()) >= 4, seconds=60)

    waited = []
    for _ in range(3):
        began, before = time.monotonic(), tenants.starts().count("sound")
        tenants.submit("sound")
        until(lambda count=before: tenants.starts().count("sound") > count, seconds=30)
        waited.append(time.monotonic() - began)

    assert max(waited) < 5
    assert not tenants.settled()
