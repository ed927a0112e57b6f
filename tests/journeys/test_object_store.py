"""Services whose machines share no disk: datasets are in an object store, and so are the manifests they publish."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest

from ted_client import Client
from ted_client.connection import read_connection
from ted_client.errors import ClientError
from ted_core.results.manifest import verify
from tests.servers import object_stores
from tests.servers.stacks import Up, ted_up
from tests.ted_core.datasets.files import parquet

ROWS = 400


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Iterator[object_stores.Store]:
    with object_stores.KINDS[request.param]() as running:
        yield running


@pytest.mark.parametrize(
    ("store", "link_seconds"),
    [("s3", 60), ("gs", 0), pytest.param("s3", 0, marks=pytest.mark.slow)],
    indirect=["store"],
)
def test_a_job_reads_from_an_object_store_and_a_client_downloads_its_manifest_there(
    store: object_stores.Store, link_seconds: int, tmp_path: Path
) -> None:
    dataset = {"uri": two_tables(store, tmp_path), "task": "tabular-classification"}
    request = {"dataset": dataset, "proxy": {"name": "mlp", "epochs": 20}, "plan": {"keep_ratio": 0.5, "q": 1}}
    settings = {
        "TED_ARTIFACT_ROOT": f"{store.scheme}://{object_stores.BUCKET}/ted",
        "TED_ARTIFACT_LINK_SECONDS": str(link_seconds),
        "TED_LOG_LEVEL": "DEBUG",
    }
    roots = f"{store.scheme}://{object_stores.BUCKET}/tables"

    with ted_up(tmp_path / "home", roots=roots, **settings, **store.environment) as up:
        job = up.client.wait(up.client.submit(request).id).require_success()
        path = up.client.download(job.id, tmp_path / "manifest.parquet")
        suspects = up.client.download(job.id, tmp_path / "suspects.parquet", kind="suspects")
        listed = [row["row_index"] for row in up.client.suspects(job.id)]
        outside = f"{store.scheme}://{object_stores.BUCKET}/others/a.parquet"
        refusal = error_of(up.client, request | {"dataset": dataset | {"uri": outside}})
        response = answer_for_manifest(up, job.id)
        report = up.client.report(job.id)
        logs = {path.name: path.read_text() for path in (up.home / "logs").iterdir()}

    with object_stores.reached(store.environment):
        assert len(verify(path, dataset["uri"]).row_indices) == ROWS // 2
    assert pq.read_table(suspects)["row_index"].to_pylist() == listed
    assert set(listed) & set(range(0, ROWS, 10)), "every tenth label is wrong"
    assert report["rows_kept"] == job.result["rows_kept"] == ROWS // 2
    assert "outside the allowed folders" in refusal
    assert response.status_code == (307 if link_seconds else 200)
    assert ("Signature" in response.headers.get("Location", "")) == bool(link_seconds)
    assert "job claimed" in logs["worker.log"]
    assert not [name for name, log in logs.items() if "Signature" in log], "links are good for whoever has them"
    assert not (tmp_path / "home" / "artifacts").exists()


def two_tables(store: object_stores.Store, folder: Path) -> str:
    """Upload two tables whose label is the sign of x, except in every tenth row; return the pattern of both."""
    rng = np.random.default_rng(0)
    for number in range(2):
        x = rng.normal(size=ROWS // 2)
        wrong = np.arange(len(x)) % 10 == 0
        parquet(folder / f"part-{number}.parquet", x=x, label=((x > 0) ^ wrong).astype(int))
        store.upload(folder / f"part-{number}.parquet", to=f"tables/train/part-{number}.parquet")
    return f"{store.scheme}://{object_stores.BUCKET}/tables/train/part-*"


def answer_for_manifest(up: Up, job_id: str) -> httpx.Response:
    """What the API says to whoever asks for the manifest; a redirect is not followed."""
    headers = {"Authorization": f"Bearer {read_connection(up.home)['key']}"}
    return httpx.get(f"{up.client.url}/v1/jobs/{job_id}/manifest", headers=headers)


def error_of(client: Client, request: dict[str, object]) -> str:
    with pytest.raises(ClientError) as error:
        client.submit(request)
    return str(error.value)
