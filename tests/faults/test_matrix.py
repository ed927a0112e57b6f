"""Whatever happens to its processes, its broker, its database or its disk, TED loses nothing and does nothing twice."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ted_client.errors import ClientError
from tests.faults.conftest import Stage, body_on
from tests.faults.driver import Driver, promised_in
from tests.faults.ears import Ear, listening
from tests.faults.faults import SEEDS, NotPossibleHere, cut_short, flip_a_byte, standing
from tests.faults.ledger import LEDGER
from tests.faults.matrix import CONTENT, MATRIX, Row
from tests.faults.service import LEASE, SWEEP
from tests.faults.verdict import Verdict, judged
from tests.servers.stacks import until

pytestmark = pytest.mark.timeout(240)

RECOVERY_SECONDS = LEASE + SWEEP + 5


@pytest.mark.parametrize("row", MATRIX, ids=str)
def test_nothing_is_lost_when(stage: Stage, row: Row, driver: Driver, tmp_path: Path) -> None:
    with listening(stage.engine, *row.answers) as ear:
        try:
            row.fault(stage.scene(driver))
        except NotPossibleHere as reason:
            pytest.skip(str(reason))

        verdict = settled(stage, driver, tmp_path, name=str(row), agrees=row.agrees, ear=ear)
    assert verdict.nothing_lost
    assert verdict.ends == {"succeeded": verdict.jobs}
    assert verdict.seconds < RECOVERY_SECONDS


@pytest.mark.faults
def test_a_dataset_that_changes_under_its_job_fails_it(stage: Stage, table: Path, tmp_path: Path) -> None:
    copy = table.with_name(f"{stage.database}.parquet")
    shutil.copy(table, copy)
    driver = Driver(stage.service.url, body=body_on(copy), log=tmp_path / "promises.jsonl")

    with standing(stage.scene(driver), "mid-round"):
        pq.write_table(pq.read_table(table).slice(3), copy)
        stage.service.struck()

    verdict = settled(stage, driver, tmp_path, name="13: dataset altered in mid-round")
    driver.close()
    assert verdict.nothing_lost
    assert verdict.ends == {"failed (dataset_changed)": 1}


@pytest.mark.faults
@pytest.mark.parametrize("damage", [flip_a_byte, cut_short])
def test_a_client_notices_a_damaged_manifest(
    stage: Stage, driver: Driver, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    (promise,) = driver.submit(SEEDS[:1])
    until(stage.scene(driver).settled)
    (published,) = stage.service.settings.artifacts.glob(f"{promise.job_id}/*/manifest.parquet")

    damage(published)

    with pytest.raises(ClientError):
        driver.client.download(promise.job_id, tmp_path / "manifest.parquet")
    assert not (tmp_path / "manifest.parquet").exists()


def settled(
    stage: Stage, driver: Driver, folder: Path, *, name: str, agrees: str = CONTENT, ear: Ear | None = None
) -> Verdict:
    """The verdict once every promised job has ended, no process of a job is left, and the ear has heard all; noted in
    the ledger."""
    driver.promises()
    until(stage.scene(driver).settled, seconds=90)
    until(lambda: not stage.service.runners(), seconds=5)
    until(lambda: ear is None or ear.told(), seconds=30)
    promises, root = promised_in(folder / "promises.jsonl"), stage.service.settings.artifacts
    known = {"golden": stage.golden(agrees), "root": root, "struck_at": stage.service.struck_at, "ear": ear}
    verdict = judged(stage.engine, promises, **known)
    LEDGER.note(name, stage.database, verdict)
    return verdict
