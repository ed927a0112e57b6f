"""An object store that fails, stalls and sends half of its answers, while jobs read from it and publish to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ted_client import Client
from ted_core.results.manifest import read_manifest
from tests.faults.conftest import body_on
from tests.faults.service import serving
from tests.servers import object_stores
from tests.servers.databases import migrated
from tests.servers.faulty_proxy import SPOILERS, FaultyProxy, pass_on, proxying

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

EVERY = 10
"""So many responses, one is spoiled."""


@dataclass(frozen=True)
class RemoteFiles:
    """A service whose datasets and artifacts are in a store behind the proxy."""

    client: Client
    proxy: FaultyProxy
    uri: str

    def run_job(self, folder: Path) -> str:
        """Return the digest of the content of a job's manifest, which a client has downloaded."""
        job = self.client.wait(self.client.submit(dict(body_on(self.uri)(0))).id).require_success()
        manifest = read_manifest(self.client.download(job.id, folder / f"{job.id}.parquet"))
        assert len(manifest.row_indices) == job.result["rows_kept"]
        content: str = job.result["content_sha256"]
        return content


@pytest.fixture(scope="module")
def remote(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteFiles]:
    home = tmp_path_factory.mktemp("home") / "home"
    database = f"sqlite:///{home / 'ted.db'}"
    with object_stores.s3() as store, proxying(store.url) as proxy:
        uri = store.upload(table, to="tables/points.parquet")
        environment = {
            **store.environment,
            "AWS_ENDPOINT_URL": proxy.url,
            "TED_DATASET_ROOTS": f"s3://{object_stores.BUCKET}/tables",
            "TED_ARTIFACT_ROOT": f"s3://{object_stores.BUCKET}/ted",
        }
        with (
            migrated(database),
            serving(home, database=database, roots=home, **environment) as service,
            Client(service.url) as client,
        ):
            yield RemoteFiles(client, proxy, uri)


@pytest.mark.parametrize("fault", SPOILERS)
def test_a_job_has_the_same_result_when_the_store_s_responses_are(
    fault: str, remote: RemoteFiles, tmp_path: Path
) -> None:
    undisturbed = remote.run_job(tmp_path)
    spoiled_before = remote.proxy.spoiled

    remote.proxy.spoil, remote.proxy.every = SPOILERS[fault], EVERY
    try:
        disturbed = remote.run_job(tmp_path)
    finally:
        remote.proxy.spoil = pass_on

    assert remote.proxy.spoiled > spoiled_before
    assert disturbed == undisturbed
