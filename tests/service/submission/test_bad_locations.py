"""Datasets are read only where the operator allows it, however their place is spelled."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from ted_jobs.settings import Settings
from tests.service import datasets
from tests.service.conftest import Json, on_both_databases

OUTSIDE = [
    "/etc/passwd",
    "//etc/passwd",
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "{data}/../secrets/images.parquet",
    "{data}/../{data.name}/images.parquet",
    "file://{data}/../secrets/images.parquet",
    "file://{data}/%2e%2e/secrets/images.parquet",
    "file://{data}/%2E%2e/secrets/images.parquet",
    "file://{data}/..%2fsecrets/images.parquet",
    "{data}/images.parquet\0.png",
    "file://{data}/images.parquet%00",
    "file://{data}/images.parquet#fragment",
    "file://{data}/images.parquet?query",
    "{data}\\images.parquet",
    "{data}-of-another/images.parquet",
    "file://elsewhere{data}/images.parquet",
    "http://example.org/images.parquet",
    "s3://bucket/images.parquet",
    "file://[/images.parquet",
    "images.parquet",
    "~/images.parquet",
]


@pytest.fixture
def secrets(data: Path) -> Path:
    """A folder of good datasets that the service may not read, beside the one that it may."""
    folder = data.parent / "secrets"
    if not folder.exists():
        folder.mkdir()
        datasets.write(folder)
    return folder


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("uri", OUTSIDE)
def test_paths_outside_the_roots_are_refused_however_they_are_spelled(
    client: TestClient, submission: Callable[..., Json], must_refuse: Callable[..., None], data: Path, uri: str
) -> None:
    body = submission(dataset={"uri": uri.format(data=data)})

    answer = client.post("/v1/jobs", json=body)

    must_refuse(answer, code="dataset_not_allowed", field="dataset.uri", says="TED_DATASET_ROOTS")


@pytest.mark.parametrize("target", ["images.parquet", "parts"])
def test_a_link_that_leads_out_is_refused(
    client: TestClient,
    submission: Callable[..., Json],
    must_refuse: Callable[..., None],
    data: Path,
    secrets: Path,
    target: str,
) -> None:
    link = data / "way_out"
    link.symlink_to(secrets / target)

    answer = client.post("/v1/jobs", json=submission("way_out"))

    must_refuse(answer, code="dataset_not_allowed", field="dataset.uri", says="outside the allowed folders")
    link.unlink()


def test_a_folder_with_a_link_that_leads_out_is_refused(
    client: TestClient,
    submission: Callable[..., Json],
    must_refuse: Callable[..., None],
    data: Path,
    secrets: Path,
    tmp_path: Path,
) -> None:
    folder = data / f"linked-{tmp_path.name}"
    folder.mkdir()
    (folder / "part-0.parquet").symlink_to(secrets / "images.parquet")

    answer = client.post("/v1/jobs", json=submission(folder.name))

    must_refuse(answer, code="dataset_not_allowed", field="dataset.uri", says="outside the allowed folders")


def test_links_in_a_loop_are_refused(
    client: TestClient, submission: Callable[..., Json], must_refuse: Callable[..., None], data: Path
) -> None:
    loop = data / "loop"
    loop.symlink_to(loop)

    answer = client.post("/v1/jobs", json=submission("loop"))

    must_refuse(answer, code="dataset_not_allowed", field="dataset.uri", says="cannot be followed")
    loop.unlink()


@on_both_databases
@pytest.mark.parametrize("name", ["a" * 300, "a/" * 1000, "images.parquet/inside", "%0a"])
def test_a_path_that_cannot_exist_is_not_found(
    client: TestClient, submission: Callable[..., Json], must_refuse: Callable[..., None], name: str
) -> None:
    body = submission(name)

    answer = client.post("/v1/jobs", json=body)

    must_refuse(answer, code="dataset_not_found", field="dataset.uri", says="does not exist")


def test_two_spellings_of_an_allowed_path_are_accepted(
    client: TestClient, submission: Callable[..., Json], data: Path
) -> None:
    spellings = [f"file://{data}/images.parquet", f"file://{data}/%69mages.parquet"]

    statuses = [client.post("/v1/jobs", json=submission(dataset={"uri": uri})).status_code for uri in spellings]

    assert statuses == [202, 202]


class TestWithoutRoots:
    @pytest.fixture
    def settings(self, tmp_path: Path, database: str) -> Settings:
        return Settings(home=tmp_path, database_url=database, auth="open")

    def test_every_dataset_is_refused(
        self, client: TestClient, submission: Callable[..., Json], must_refuse: Callable[..., None]
    ) -> None:
        body = submission()

        answer = client.post("/v1/jobs", json=body)

        must_refuse(answer, code="dataset_not_allowed", field="dataset.uri", says="ask its operator")
