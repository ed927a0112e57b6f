"""The doctor finds what is wrong, says what to do, and leaves everything as it was."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from ted_cli.local import broker as embedded
from ted_jobs.db.engine import now, write_transaction
from ted_jobs.db.presence import presence
from ted_jobs.db.tables import jobs, outbox
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.files.installation import MARKER_PREFIX, own_marker
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.settings import Settings
from tests.servers.databases import DATABASES, migrated
from tests.servers.stacks import until
from worker.doctor import folders
from worker.doctor.__main__ import examine
from worker.doctor.artifacts import check_artifacts
from worker.doctor.broker import check_broker
from worker.doctor.database import check_database
from worker.doctor.device import check_device
from worker.doctor.finding import Finding


def verdicts(findings: Iterator[Finding]) -> dict[str, str]:
    """The worst verdict on each subject."""
    worst: dict[str, str] = {}
    for finding in sorted(findings, key=lambda finding: ("ok", "warning", "problem").index(finding.verdict)):
        worst[finding.subject] = finding.verdict
    return worst


def only(findings: Iterator[Finding], subject: str) -> Finding:
    (finding,) = [finding for finding in findings if finding.subject == subject]
    return finding


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


def test_a_migrated_database_with_a_sweeper_is_ok(either: Settings) -> None:
    with migrated(either.database) as engine, closing(presence(engine)) as sweeper:
        sweeper.renew()

        verdict_by_subject = verdicts(check_database(either))

    assert verdict_by_subject == dict.fromkeys(["database", "clock", "sweeper", "leases", "hints", "queue"], "ok")


def test_a_database_of_an_older_version_is_a_problem_that_migrating_fixes(either: Settings) -> None:
    with migrated(either.database) as engine, write_transaction(engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")

    finding = only(check_database(either), "database")

    assert (finding.verdict, finding.remedy) == ("problem", "Run `ted migrate`.")
    assert "revision 0001" in finding.fact


def test_a_database_of_a_newer_version_is_a_problem_that_upgrading_fixes(either: Settings) -> None:
    with migrated(either.database) as engine, write_transaction(engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    assert "Upgrade TED" in only(check_database(either), "database").remedy


def test_a_database_that_does_not_exist_is_not_created(settings: Settings, tmp_path: Path) -> None:
    home = tmp_path / "nobody's"

    finding = only(check_database(settings.model_copy(update={"database_url": f"sqlite:///{home}/ted.db"})), "database")

    assert finding.verdict == "problem"
    assert "ted migrate" in finding.remedy
    assert not home.exists()


def test_a_database_that_does_not_answer_is_named_without_its_password(settings: Settings) -> None:
    away = settings.model_copy(update={"database_url": "postgresql://ted:hunter2@127.0.0.1:1/ted"})

    (finding,) = check_database(away)

    assert (finding.subject, finding.verdict) == ("database", "problem")
    assert "127.0.0.1" in finding.fact
    assert "hunter2" not in str(finding)


def test_jobs_without_a_sweeper_are_problems(settings: Settings, engine: Engine, claimed: Callable[..., Claim]) -> None:
    held = claimed().job.id
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).where(jobs.c.id == held).values(lease_expires_at=now(-60)))
        connection.execute(update(outbox).values(created_at=now(-60)))

    verdict_by_subject = verdicts(check_database(settings))

    assert {subject: verdict_by_subject[subject] for subject in ("sweeper", "leases", "hints")} == dict.fromkeys(
        ["sweeper", "leases", "hints"], "problem"
    )


def test_leftovers_of_killed_workers_are_named_with_their_size_and_running_attempts_are_not(
    settings: Settings, engine: Engine, claimed: Callable[..., Claim]
) -> None:
    claim, forgotten = claimed(), f"job_{1:028x}"
    for folder in (f"{forgotten}/1", f"{claim.job.id}/{claim.token}"):
        (settings.work / folder).mkdir(parents=True)
        (settings.work / folder / "1.safetensors").write_bytes(bytes(3 << 20))

    finding = only(check_database(settings), "work folder")

    assert (finding.verdict, "3.0 MiB" in finding.fact) == ("warning", True)
    assert forgotten in finding.fact
    assert claim.job.id not in finding.fact


def test_an_artifact_root_shared_with_another_installation_is_a_warning(settings: Settings, engine: Engine) -> None:
    settings.artifacts.mkdir()
    (settings.artifacts / own_marker(engine)).touch()
    assert "artifacts" not in verdicts(check_database(settings))

    (settings.artifacts / f"{MARKER_PREFIX}another").touch()

    assert only(check_database(settings), "artifacts").verdict == "warning"


@pytest.mark.parametrize(("queued", "running", "verdict"), [(1, 0, "problem"), (1, 1, "warning"), (0, 1, "ok")])
def test_a_job_queued_for_long_is_a_problem_if_no_worker_is_running(
    settings: Settings, engine: Engine, claimed: Callable[..., Claim], queued: int, running: int, verdict: str
) -> None:
    waiting = [claimed().job.id for _ in range(queued + running)][:queued]
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).where(jobs.c.id.in_(waiting)).values(status="queued", queued_at=now(-3600)))

    assert only(check_database(settings), "queue").verdict == verdict


def test_a_broker_that_is_away_is_a_problem_and_is_not_queried_further(settings: Settings) -> None:
    (finding,) = check_broker(settings)

    assert (finding.subject, finding.verdict) == ("broker", "problem")
    assert finding.fact.startswith("embedded")


@pytest.mark.usefixtures("valkey")
def test_a_broker_without_workers_is_a_problem(settings: Settings) -> None:
    assert verdicts(check_broker(settings)) == {"broker": "ok", "workers": "problem"}


@pytest.mark.usefixtures("valkey")
def test_a_broker_that_may_drop_wake_ups_is_a_warning(settings: Settings) -> None:
    import redis  # noqa: PLC0415

    with redis.Redis(unix_socket_path=str(embedded.socket_path(settings.home))) as client:
        client.config_set("maxmemory", 100_000_000)
        client.config_set("maxmemory-policy", "allkeys-lru")

    findings = list(check_broker(settings))

    assert [finding.verdict for finding in findings] == ["ok", "warning", "problem"]
    assert "allkeys-lru" in findings[1].fact


def test_writable_folders_are_ok_and_left_unchanged(settings: Settings) -> None:
    before = sorted(settings.home.rglob("*"))

    verdict_by_subject = verdicts(folders.check_written_folders(settings))

    assert set(verdict_by_subject) == {"home folder", "artifacts folder", "work folder", "cache folder"}
    assert "problem" not in verdict_by_subject.values()
    assert sorted(settings.home.rglob("*")) == before


def test_a_folder_that_cannot_be_written_to_is_a_problem(settings: Settings) -> None:
    finding = only(
        folders.check_written_folders(settings.model_copy(update={"artifact_root": Path("/proc/artifacts")})),
        "artifacts folder",
    )

    assert finding.verdict == "problem"
    assert "/proc" in finding.remedy


def test_a_disk_that_is_almost_full_is_a_problem(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for scarce, verdict in ((1 << 60, "problem"), (0, "warning")):
        monkeypatch.setattr(folders, "PROBLEM_FREE_BYTES", scarce)
        monkeypatch.setattr(folders, "WARNING_FREE_BYTES", 1 << 60)
        assert set(verdicts(folders.check_written_folders(settings)).values()) == {verdict}


def test_missing_roots_are_problems_and_no_roots_at_all_are_a_warning(settings: Settings) -> None:
    gone = settings.home / "gone"

    absent = folders.check_read_folders(settings.model_copy(update={"dataset_roots": (gone,), "model_roots": (gone,)}))
    none = folders.check_read_folders(settings.model_copy(update={"dataset_roots": ()}))

    assert verdicts(absent) == {"dataset root": "problem", "model root": "problem"}
    assert verdicts(none) == {"dataset roots": "warning"}
    assert verdicts(folders.check_read_folders(settings)) == {"dataset root": "ok"}


def test_the_device_of_the_settings_is_checked(settings: Settings) -> None:
    (present,) = check_device(settings)
    (missing,) = check_device(settings.model_copy(update={"device": "cuda:99"}))

    assert (present.verdict, present.fact[:3]) == ("ok", "cpu")
    assert missing.verdict == "problem"


def test_a_setting_that_cannot_be_read_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TED_PORT", "hunter2")

    (finding,) = examine()

    assert (finding.subject, finding.verdict) == ("settings", "problem")
    assert "TED_PORT" in finding.fact
    assert "hunter2" not in str(finding)


def test_a_check_that_crashes_is_a_problem_and_the_others_run_all_the_same(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    for name, value in {"HOME": str(settings.home), "BROKER_URL": "post://:hunter2@office", "DEVICE": "cpu"}.items():
        monkeypatch.setenv(f"TED_{name}", value)

    findings = list(examine())

    assert only(iter(findings), "broker").verdict == "problem"
    assert only(iter(findings), "device").verdict == "ok"
    assert "hunter2" not in str(findings)


def test_the_doctor_itself_loads_no_torch() -> None:
    code = "import sys, worker.doctor.__main__; sys.exit('torch' in sys.modules)"

    assert subprocess.call([sys.executable, "-c", code], env=os.environ) == 0


def test_published_files_that_are_gone_or_cut_short_are_named(
    settings: Settings, engine: Engine, leases: Leases, claimed: Callable[..., Claim], tmp_path: Path
) -> None:
    claim, store = claimed(), ArtifactStore(settings.artifacts)
    published = []
    for kind in ("manifest", "decisions", "report"):
        (tmp_path / kind).write_bytes(b"rows")
        file = store.put_attempt_file(tmp_path / kind, job_id=claim.job.id, token=claim.token, kind=kind)
        published.append(file)
    leases.begin_finalizing(claim)
    leases.finish(claim, published=published, result={})
    assert list(check_artifacts(engine, settings)) == []

    (settings.artifacts / published[0].key).unlink()
    (settings.artifacts / published[1].key).write_bytes(b"ro")

    (finding,) = check_artifacts(engine, settings)

    assert finding.verdict == "warning"
    assert "2 of 3" in finding.fact
    assert published[0].key in finding.fact and published[1].key in finding.fact
