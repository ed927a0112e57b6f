"""Roots of both kinds are read alike, and separated as in PATH."""

from pathlib import Path

import pytest

from ted_core.storage.object_store import ObjectUri
from ted_core.storage.roots import parse_roots, roots_in_file
from ted_jobs.settings import Settings


def test_folders_and_buckets_are_separated_as_in_path() -> None:
    assert parse_roots("/data:s3://bucket/a:/more data:gs://bucket:s3://b-2/") == (
        Path("/data"),
        ObjectUri("s3", "bucket/a"),
        Path("/more data"),
        ObjectUri("gs", "bucket"),
        ObjectUri("s3", "b-2"),
    )
    assert parse_roots("") == parse_roots(":") == ()


def test_the_settings_hold_roots_of_both_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TED_DATASET_ROOTS", "/data:s3://bucket/a")

    assert Settings().dataset_roots == (Path("/data"), ObjectUri("s3", "bucket/a"))


@pytest.mark.parametrize("written", ["s3://bucket/../other", "http://bucket/a", "/data:s3://"])
def test_a_root_that_names_no_bucket_stops_the_service(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("TED_DATASET_ROOTS", written)

    with pytest.raises(ValueError, match="dataset_roots"):
        Settings()


def test_an_artifact_root_that_names_no_bucket_does_so_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TED_ARTIFACT_ROOT", "http://bucket/a")

    with pytest.raises(ValueError, match="artifact_root"):
        Settings()


def test_a_file_lists_roots_on_lines(tmp_path: Path) -> None:
    file = tmp_path / "roots"
    file.write_text("/more data\n\ns3://bucket/a\nhttp://no.bucket/\n")

    assert roots_in_file(file) == (Path("/more data"), ObjectUri("s3", "bucket/a"))
    assert roots_in_file(tmp_path / "absent") == ()


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_may_write_to_allows_nothing(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "roots"
    file.write_text("/data\n")
    file.chmod(mode)

    assert roots_in_file(file) == ()


def test_the_settings_read_the_file_anew(tmp_path: Path) -> None:
    settings = Settings(dataset_roots=(Path("/data"),), dataset_roots_file=tmp_path / "roots")
    before = settings.allowed_roots

    (tmp_path / "roots").write_text("/more\n")

    assert (before, settings.allowed_roots) == ((Path("/data"),), (Path("/data"), Path("/more")))
