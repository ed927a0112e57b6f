"""The doctor finds what is wrong, says what to do, and leaves everything as it was."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from ted_cli.local import broker as embedded
from ted_jobs.db.engine import now, write_transaction
from ted_jobs.db.tables import jobs, outbox
from ted_jobs.files.installation import MARKER_PREFIX, own_marker
from ted_jobs.jobs import maintenance
from ted_jobs.jobs.leases import Claim
from ted_jobs.settings import Settings
from tests.servers.databases import DATABASES, migrated
from tests.servers.stacks import until
from worker.doctor import folders
from worker.doctor.__main__ import examine
from worker.doctor.broker import check_broker
from worker.doctor.database import check_database
from worker.doctor.device import check_device
from worker.doctor.finding import Finding


def verdicts(findings: Iterator[Finding]) -> dict[str, str]:
    """The worst verdict on each subject."""
    worst: dict[str, str] = {}
    for finding in sorted(findings, key=lambda one: ("ok", "warning", "problem").index(one.verdict)):
        worst[finding.subject] = finding.verdict
    return worst


def only(findings: Iterator[Finding], subject: str) -> Finding:
    (found,) = [finding for finding in findings if finding.subject == subject]
    return found


@pytest.fixture(params=DATABASES)
def either(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """The settings of an installation on each database, not migrated yet."""
    with DATABASES[request.param](tmp_path) as url:
        yield settings.model_copy(update={"database_url": url})


@pytest.fixture
def valkey(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """The embedded broker, running."""
    with subprocess.Popen(embedded.server_command(settings.home), stdout=subprocess.DEVNULL) as process:
        until(embedded.socket_path(settings.home).exists, seconds=10)
        yield process
        process.kill()


def test_a_database_that_is_migrated_and_swept_is_well(either: Settings) -> None:
    with migrated(either.database) as engine:
        maintenance.acquire_leadership(engine, "sweeper", holder="me", seconds=60)

        found = verdicts(check_database(either))

    assert found == dict.fromkeys(["database", "clock", "sweeper", "leases", "hints", "queue"], "ok")


def test_a_database_of_an_older_version_is_to_be_migrated(either: Settings) -> None:
    with migrated(either.database) as engine, write_transaction(engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")

    found = only(check_database(either), "database")

    assert (found.verdict, found.remedy) == ("problem", "Run `ted migrate`.")
    assert "revision 0001" in found.fact


def test_a_database_of_a_newer_version_wants_newer_code(either: Settings) -> None:
    with migrated(either.database) as engine, write_transaction(engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    assert "Upgrade TED" in only(check_database(either), "database").remedy


def test_a_database_that_does_not_exist_is_not_made(settings: Settings, tmp_path: Path) -> None:
    home = tmp_path / "nobody's"

    found = only(check_database(settings.model_copy(update={"database_url": f"sqlite:///{home}/ted.db"})), "database")

    assert found.verdict == "problem"
    assert "ted migrate" in found.remedy
    assert not home.exists()


def test_a_database_that_does_not_answer_is_named_without_its_password(settings: Settings) -> None:
    away = settings.model_copy(update={"database_url": "postgresql://ted:hunter2@127.0.0.1:1/ted"})

    (found,) = check_database(away)

    assert (found.subject, found.verdict) == ("database", "problem")
    assert "127.0.0.1" in found.fact
    assert "hunter2" not in str(found)


def test_jobs_that_nobody_looks_after_are_problems(
    settings: Settings, engine: Engine, claimed: Callable[..., Claim]
) -> None:
    held = claimed().job.id
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).where(jobs.c.id == held).values(lease_expires_at=now(-60)))
        connection.execute(update(outbox).values(created_at=now(-60)))

    found = verdicts(check_database(settings))

    assert {subject: found[subject] for subject in ("sweeper", "leases", "hints")} == dict.fromkeys(
        ["sweeper", "leases", "hints"], "problem"
    )


def test_what_killed_workers_have_left_is_named_with_its_size_and_what_runs_is_not(
    settings: Settings, engine: Engine, claimed: Callable[..., Claim]
) -> None:
    claim, forgotten = claimed(), f"job_{1:028x}"
    for folder in (f"{forgotten}/1", f"{claim.job.id}/{claim.token}"):
        (settings.work / folder).mkdir(parents=True)
        (settings.work / folder / "1.safetensors").write_bytes(bytes(3 << 20))

    found = only(check_database(settings), "work folder")

    assert (found.verdict, "3.0 MiB" in found.fact) == ("warning", True)
    assert forgotten in found.fact
    assert claim.job.id not in found.fact


def test_an_artifact_root_that_another_installation_uses_too_is_warned_of(settings: Settings, engine: Engine) -> None:
    settings.artifacts.mkdir()
    (settings.artifacts / own_marker(engine)).touch()
    assert "artifacts" not in verdicts(check_database(settings))

    (settings.artifacts / f"{MARKER_PREFIX}another").touch()

    assert only(check_database(settings), "artifacts").verdict == "warning"


@pytest.mark.parametrize(("queued", "running", "verdict"), [(1, 0, "problem"), (1, 1, "warning"), (0, 1, "ok")])
def test_a_job_that_has_waited_long_is_a_problem_where_no_worker_works(
    settings: Settings, engine: Engine, claimed: Callable[..., Claim], queued: int, running: int, verdict: str
) -> None:
    waiting = [claimed().job.id for _ in range(queued + running)][:queued]
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).where(jobs.c.id.in_(waiting)).values(status="queued", queued_at=now(-3600)))

    assert only(check_database(settings), "queue").verdict == verdict


def test_a_broker_that_is_away_is_a_problem_and_is_asked_nothing_more(settings: Settings) -> None:
    (found,) = check_broker(settings)

    assert (found.subject, found.verdict) == ("broker", "problem")
    assert found.fact.startswith("embedded")


@pytest.mark.usefixtures("valkey")
def test_a_broker_without_workers_lets_jobs_wait(settings: Settings) -> None:
    assert verdicts(check_broker(settings)) == {"broker": "ok", "workers": "problem"}


@pytest.mark.usefixtures("valkey")
def test_a_broker_that_may_drop_hints_is_warned_of(settings: Settings) -> None:
    import redis  # noqa: PLC0415

    with redis.Redis(unix_socket_path=str(embedded.socket_path(settings.home))) as client:
        client.config_set("maxmemory", 100_000_000)
        client.config_set("maxmemory-policy", "allkeys-lru")

    found = list(check_broker(settings))

    assert [finding.verdict for finding in found] == ["ok", "warning", "problem"]
    assert "allkeys-lru" in found[1].fact


def test_folders_that_can_be_written_to_are_well_and_left_as_they_were(settings: Settings) -> None:
    before = sorted(settings.home.rglob("*"))

    found = verdicts(folders.check_written_folders(settings))

    assert set(found) == {"home folder", "artifacts folder", "work folder", "cache folder"}
    assert "problem" not in found.values()
    assert sorted(settings.home.rglob("*")) == before


def test_a_folder_that_cannot_be_written_to_is_a_problem(settings: Settings) -> None:
    found = only(
        folders.check_written_folders(settings.model_copy(update={"artifact_root": Path("/proc/artifacts")})),
        "artifacts folder",
    )

    assert found.verdict == "problem"
    assert "/proc" in found.remedy


def test_a_disk_that_is_almost_full_is_a_problem(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for scarce, verdict in ((1 << 60, "problem"), (0, "warning")):
        monkeypatch.setattr(folders, "PROBLEM_FREE_BYTES", scarce)
        monkeypatch.setattr(folders, "WARNING_FREE_BYTES", 1 << 60)
        assert set(verdicts(folders.check_written_folders(settings)).values()) == {verdict}


def test_roots_that_are_not_there_are_problems_and_none_at_all_is_worth_a_warning(settings: Settings) -> None:
    gone = settings.home / "gone"

    absent = folders.check_read_folders(settings.model_copy(update={"dataset_roots": (gone,), "model_roots": (gone,)}))
    none = folders.check_read_folders(settings.model_copy(update={"dataset_roots": ()}))

    assert verdicts(absent) == {"dataset root": "problem", "model root": "problem"}
    assert verdicts(none) == {"dataset roots": "warning"}
    assert verdicts(folders.check_read_folders(settings)) == {"dataset root": "ok"}


def test_the_device_that_is_asked_for_is_looked_for(settings: Settings) -> None:
    (present,) = check_device(settings)
    (missing,) = check_device(settings.model_copy(update={"device": "cuda:99"}))

    assert (present.verdict, present.fact[:3]) == ("ok", "cpu")
    assert missing.verdict == "problem"


def test_a_setting_that_cannot_be_read_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TED_PORT", "hunter2")

    (found,) = examine()

    assert (found.subject, found.verdict) == ("settings", "problem")
    assert "TED_PORT" in found.fact
    assert "hunter2" not in str(found)


def test_a_check_that_breaks_off_is_a_problem_and_keeps_no_other_from_being_made(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    for name, value in {"HOME": str(settings.home), "BROKER_URL": "post://:hunter2@office", "DEVICE": "cpu"}.items():
        monkeypatch.setenv(f"TED_{name}", value)

    found = list(examine())

    assert only(iter(found), "broker").verdict == "problem"
    assert only(iter(found), "device").verdict == "ok"
    assert "hunter2" not in str(found)


def test_the_doctor_itself_loads_no_torch() -> None:
    code = "import sys, worker.doctor.__main__; sys.exit('torch' in sys.modules)"

    assert subprocess.call([sys.executable, "-c", code], env=os.environ) == 0
