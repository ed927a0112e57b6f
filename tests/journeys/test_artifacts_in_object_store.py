"""Services whose machines share no disk: manifests are stored in an object store, and clients download them there."""

from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ted_client.client import read_connection
from ted_core.results.manifest import read_manifest
from tests.servers import object_stores
from tests.servers.stacks import ted_up
from tests.service.datasets import TABLES


@pytest.mark.parametrize(("scheme", "link_seconds"), [("s3", 0), ("s3", 60), ("gs", 0)])
def test_a_client_downloads_a_manifest_from_the_object_store(scheme: str, link_seconds: int, tmp_path: Path) -> None:
    data = tmp_path / "data.parquet"
    pq.write_table(pa.table(TABLES["numbers"]), data)
    settings = {
        "TED_ARTIFACT_ROOT": f"{scheme}://{object_stores.BUCKET}/ted",
        "TED_ARTIFACT_LINK_SECONDS": str(link_seconds),
    }
    settings |= {"TED_LOG_LEVEL": "DEBUG"}
    with (
        object_stores.KINDS[scheme]() as store,
        ted_up(tmp_path / "home", roots=tmp_path, **settings, **store.environment) as service,
    ):
        job = service.client.submit(
            {
                "dataset": {"uri": str(data), "task": "tabular-classification"},
                "proxy": {"name": "mlp", "epochs": 3},
                "plan": {"keep_ratio": 0.5, "q": 1},
            }
        )
        done = service.client.wait(job.id).require_success()
        path = service.client.download(job.id, tmp_path / "manifest.parquet")
        headers = {"Authorization": f"Bearer {read_connection(service.home)['key']}"}
        response = httpx.get(f"{service.client.url}/v1/jobs/{job.id}/manifest", headers=headers)

        assert len(read_manifest(path).row_indices) == done.result["rows_kept"]
        assert service.client.report(job.id)["rows_kept"] == done.result["rows_kept"]
        assert response.status_code == (307 if link_seconds else 200)
        assert ("Signature" in response.headers.get("Location", "")) == bool(link_seconds)
        logs = {path.name: path.read_text() for path in (service.home / "logs").iterdir()}
        assert "job claimed" in logs["worker.log"]
        assert not [name for name, log in logs.items() if "Signature" in log], "links are good for whoever has them"
    assert not (tmp_path / "home" / "artifacts").exists()
