"""The database's machine is lost while jobs run: its standby takes over, and every acknowledged job is there."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.cluster import Cluster, primary_and_standby
from tests.faults.conftest import Deployment, body_on, settle, undisturbed
from tests.faults.driver import Driver
from tests.faults.faults import SEEDS, suspended_at
from tests.faults.service import LEASE, RECOVERY_SECONDS, serving
from tests.servers.databases import migrated

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]


@dataclass(frozen=True)
class Pair:
    """A service on two servers, of which one is in use."""

    deployment: Deployment
    primary: Cluster
    standby: Cluster


@pytest.fixture
def pair(tmp_path: Path, table: Path) -> Iterator[Pair]:
    home = tmp_path / "home"
    with primary_and_standby() as (primary, standby):
        hosts = "&".join(f"host=127.0.0.1:{server.port}" for server in (primary, standby))
        url = f"postgresql+psycopg://postgres@/postgres?{hosts}&target_session_attrs=read-write"
        with migrated(url) as engine, serving(home, database=url, roots=table.parent) as service:
            golden = undisturbed(service, engine, body_on(table))
            yield Pair(Deployment("postgresql", service, engine, primary, golden), primary, standby)


def test_nothing_acknowledged_is_lost_when_the_standby_takes_over(pair: Pair, table: Path, tmp_path: Path) -> None:
    deployment = pair.deployment
    driver = Driver(deployment.service.url, body=body_on(table), log=tmp_path / "promises.jsonl")

    with suspended_at(deployment.context(driver), "after a round"):
        pair.primary.crash()
        driver.begin(SEEDS[1:])
        time.sleep(LEASE / 2)
        pair.standby.promote()
        deployment.service.mark_fault()

    outcome = settle(deployment, driver, tmp_path, name="6: PostgreSQL lost, its standby promoted")
    driver.close()
    assert outcome.nothing_lost
    assert outcome.ends == {"succeeded": outcome.jobs}
    assert outcome.seconds < RECOVERY_SECONDS
