"""Whatever happens to its processes, its broker, its database or its disk, TED loses nothing and does nothing twice."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ted_client.errors import ClientError
from tests.faults.conftest import Deployment, body_on, settle
from tests.faults.driver import Driver
from tests.faults.faults import SEEDS, NotPossibleHere, flip_a_byte, suspended_at, truncate
from tests.faults.matrix import MATRIX, MatrixRow
from tests.faults.service import RECOVERY_SECONDS
from tests.faults.webhook_listener import register_listener
from tests.servers.stacks import until

pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize("row", MATRIX, ids=str)
def test_nothing_is_lost_when(deployment: Deployment, row: MatrixRow, driver: Driver, tmp_path: Path) -> None:
    with register_listener(deployment.engine, *row.answers) as listener:
        try:
            row.fault(deployment.context(driver))
        except NotPossibleHere as reason:
            pytest.skip(str(reason))

        outcome = settle(deployment, driver, tmp_path, name=str(row), agrees=row.agrees, listener=listener)
    assert outcome.nothing_lost
    assert outcome.ends == {"succeeded": outcome.jobs}
    assert outcome.seconds < RECOVERY_SECONDS


@pytest.mark.faults
def test_a_dataset_that_changes_under_its_job_fails_it(deployment: Deployment, table: Path, tmp_path: Path) -> None:
    copy = table.with_name(f"{deployment.database}.parquet")
    shutil.copy(table, copy)
    driver = Driver(deployment.service.url, body=body_on(copy), log=tmp_path / "promises.jsonl")

    with suspended_at(deployment.context(driver), "mid-round"):
        pq.write_table(pq.read_table(table).slice(3), copy)
        deployment.service.mark_fault()

    outcome = settle(deployment, driver, tmp_path, name="13: dataset altered in mid-round")
    driver.close()
    assert outcome.nothing_lost
    assert outcome.ends == {"failed (dataset_changed)": 1}


@pytest.mark.faults
@pytest.mark.parametrize("damage", [flip_a_byte, truncate])
def test_a_client_notices_a_damaged_manifest(
    deployment: Deployment, driver: Driver, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    (promise,) = driver.submit(SEEDS[:1])
    until(deployment.context(driver).settled)
    (published,) = deployment.service.settings.artifacts.glob(f"{promise.job_id}/*/manifest.parquet")

    damage(published)

    with pytest.raises(ClientError):
        driver.client.download(promise.job_id, tmp_path / "manifest.parquet")
    assert not (tmp_path / "manifest.parquet").exists()
