"""Files that are gone or damaged: a problem that says what to do, and never a wrong byte under the right digest."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient
from structlog.testing import capture_logs

from ted_core.storage.local_files import LocalFileStore
from ted_jobs.errors import ArtifactLost
from ted_jobs.files import intact
from ted_jobs.settings import Settings
from tests.service.conftest import on_both_databases
from tests.service.endpoints.test_downloads import CONTENT, ETAG
from tests.service.endpoints.test_downloads import manifest as manifest  # noqa: PLC0414 - a fixture
from tests.service.endpoints.test_metrics import numbers
from tests.service.processes import api_process

Damage = Callable[[Path], None]


def flip_last_byte(path: Path) -> None:
    path.write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))


def flip_unseen(path: Path) -> None:
    """As a disk does it: the file's time stays."""
    before = path.stat()
    flip_last_byte(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def truncate(path: Path) -> None:
    path.write_bytes(CONTENT[:-1])


def replace_with_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = (Path.unlink, truncate, flip_last_byte, flip_unseen, replace_with_folder)


@pytest.fixture
def file(manifest: str, settings: Settings) -> Path:
    """The manifest's file in the artifact store."""
    return next(settings.artifacts.rglob("manifest.parquet"))


@pytest.fixture
def logs() -> Iterator[list[dict[str, object]]]:
    with capture_logs() as entries:
        yield entries


def is_lost(answer: httpx2.Response) -> bool:
    return (answer.status_code, answer.json()["code"]) == (410, "artifact_lost")


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-9"}], ids=["whole", "part"])
def test_a_lost_file_is_a_problem_that_says_what_to_do(
    client: TestClient, manifest: str, file: Path, damage: Damage, headers: dict[str, str], logs: object
) -> None:
    damage(file)

    answer = client.get(manifest, headers=headers)

    assert is_lost(answer)
    assert "POST /v1/jobs/{id}/retry" in answer.json()["detail"]
    assert str(file.parents[2]) not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Repr-Digest" not in answer.headers
    assert client.head(manifest).status_code == 410


def test_what_the_client_already_holds_stays_right(client: TestClient, manifest: str, file: Path) -> None:
    file.unlink()

    assert client.get(manifest, headers={"If-None-Match": ETAG}).status_code == 304


@on_both_databases
def test_a_loss_is_logged_as_an_error_and_counted_once(
    client: TestClient, manifest: str, file: Path, settings: Settings, logs: list[dict[str, object]]
) -> None:
    file.unlink()

    for _ in range(3):
        client.get(manifest)

    losses = [entry for entry in logs if entry["event"] == "artifact lost"]
    assert [(entry["log_level"], entry["kind"]) for entry in losses] == [("error", "manifest")]
    assert numbers(settings)["ted_artifacts_lost_total"] == 1


def test_damage_after_the_first_download_breaks_the_next_before_its_end(
    client: TestClient, manifest: str, file: Path, logs: object
) -> None:
    assert client.get(manifest).content == CONTENT
    flip_unseen(file)

    with pytest.raises(RuntimeError) as broken:
        client.get(manifest)

    assert isinstance(broken.value.__cause__, ArtifactLost)
    assert is_lost(client.get(manifest, headers={"Range": "bytes=9-"}))


def test_a_damaged_file_that_is_too_large_to_be_read_first_never_arrives_whole(
    settings: Settings, manifest: str, file: Path, client: TestClient, monkeypatch: pytest.MonkeyPatch, logs: object
) -> None:
    monkeypatch.setattr(intact, "CHECKED_FIRST_BYTES", 100)
    flip_last_byte(file)

    with pytest.raises(RuntimeError):
        client.get(manifest)

    assert is_lost(client.get(manifest))
    assert client.head(manifest).status_code == 410


def test_a_file_is_read_first_only_once(
    client: TestClient, manifest: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    open_file = LocalFileStore.open

    def counted(store: LocalFileStore, key: str) -> object:
        opened.append(key)
        return open_file(store, key)

    monkeypatch.setattr(LocalFileStore, "open", counted)
    for _ in range(3):
        client.get(manifest, headers={"Range": "bytes=0-9"})

    assert len(opened) == 1 + 3


def test_a_file_that_is_restored_is_sent_again(client: TestClient, manifest: str, file: Path, logs: object) -> None:
    flip_last_byte(file)
    assert is_lost(client.get(manifest))

    file.write_bytes(CONTENT)

    assert client.get(manifest).content == CONTENT


def test_a_folder_that_the_service_may_not_read_is_no_loss(
    client: TestClient, manifest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(LocalFileStore, "stat", refuse)

    answer = client.get(manifest)

    assert (answer.status_code, answer.json()["code"]) == (503, "artifacts_refused")


def test_the_client_of_a_running_service_does_not_get_the_last_bytes_of_a_damaged_file(
    settings: Settings, manifest: str, file: Path, tmp_path: Path
) -> None:
    with api_process(settings, log=tmp_path / "api.log") as api, httpx2.Client(base_url=api.url) as client:
        assert client.get(manifest).content == CONTENT
        flip_unseen(file)

        received = bytearray()
        with pytest.raises(httpx2.RemoteProtocolError), client.stream("GET", manifest) as answer:
            for chunk in answer.iter_raw():
                received += chunk

        assert len(received) < len(CONTENT)
        assert is_lost(client.get(manifest))
        assert (tmp_path / "api.log").read_text().count('"artifact lost"') == 1
