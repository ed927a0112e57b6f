"""What holds secrets is readable by its owner alone; a shared artifact root is readable by whom its owner lets in."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ted_core.storage.private_files import keep_new_files_private
from ted_jobs.api_keys.secret import key_secret
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.secret_files import exposed_files
from ted_jobs.settings import Settings
from worker.doctor.secrets import check_secret_files


def migrate(home: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "ted_jobs.db.migrations"], env=os.environ | {"TED_HOME": str(home)}, check=True
    )


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("TED_DATABASE_URL", raising=False)
    return Settings(home=tmp_path / "home")


@pytest.fixture
def _private() -> Iterator[None]:
    """The umask of TED's processes."""
    before = os.umask(0)
    keep_new_files_private()
    yield
    os.umask(before)


def test_a_new_database_and_its_folder_are_private(settings: Settings) -> None:
    migrate(settings.home)

    assert mode(settings.home) == 0o700
    assert {mode(path) for path in settings.home.iterdir()} == {0o600}


def test_what_an_earlier_version_left_open_is_reported_and_mended_by_migrating(settings: Settings) -> None:
    migrate(settings.home)
    key_secret(settings)
    opened = [settings.home / "ted.db", settings.home / "key.secret"]
    for path in opened:
        path.chmod(0o644)

    findings = list(check_secret_files(settings))
    migrate(settings.home)

    assert [finding.verdict for finding in findings] == ["warning", "warning"]
    assert all("0644" in finding.fact for finding in findings)
    assert [mode(path) for path in opened] == [0o600, 0o600]
    assert exposed_files(settings) == []


@pytest.mark.usefixtures("_private")
@pytest.mark.parametrize(("root_mode", "folder_mode", "file_mode"), [(0o700, 0o700, 0o600), (0o2770, 0o2770, 0o660)])
def test_artifacts_are_open_to_those_who_may_open_their_root(
    tmp_path: Path, root_mode: int, folder_mode: int, file_mode: int
) -> None:
    root, source = tmp_path / "artifacts", tmp_path / "manifest.parquet"
    source.write_bytes(b"rows")
    root.mkdir()
    root.chmod(root_mode)

    artifact = ArtifactStore(root).put_attempt_file(source, job_id="job_1", token=2, kind="manifest")

    assert [mode(root / "job_1"), mode(root / "job_1/2")] == [folder_mode, folder_mode]
    assert mode(root / artifact.key) == file_mode


def test_artifacts_are_published_where_the_mount_decides_about_permissions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, _: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))

    source = tmp_path / "manifest.parquet"
    source.write_bytes(b"rows")
    monkeypatch.setattr(Path, "chmod", refuse)

    artifact = ArtifactStore(tmp_path / "share").put_attempt_file(source, job_id="job_1", token=2, kind="manifest")

    assert (tmp_path / "share" / artifact.key).read_bytes() == b"rows"
