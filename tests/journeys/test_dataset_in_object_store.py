"""A job whose dataset is in an object store: the real service, from the request to the verified manifest."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ted_client import Client
from ted_client.errors import ClientError
from ted_core.results.manifest import verify
from tests.servers import object_stores
from tests.servers.stacks import ted_up
from tests.ted_core.datasets.files import parquet

ROWS = 60


@pytest.fixture(params=object_stores.KINDS)
def store(request: pytest.FixtureRequest) -> Iterator[object_stores.Store]:
    with object_stores.KINDS[request.param]() as running:
        yield running


def test_a_job_reads_its_dataset_from_a_bucket(store: object_stores.Store, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(2):
        x = rng.normal(size=ROWS // 2)
        parquet(tmp_path / f"part-{number}.parquet", x=x, label=(x > 0).astype(int))
        store.upload(tmp_path / f"part-{number}.parquet", to=f"tables/train/part-{number}.parquet")
    dataset = {"uri": f"{store.scheme}://datasets/tables/train/part-*", "task": "tabular-classification"}
    request = {"dataset": dataset, "proxy": {"name": "mlp", "epochs": 4}, "plan": {"keep_ratio": 0.5}}

    with ted_up(tmp_path / "home", roots=f"{store.scheme}://datasets/tables", **store.environment) as up:
        job = up.client.wait(up.client.submit(request).id).require_success()
        manifest = up.client.download(job.id, tmp_path / "manifest.parquet")
        refusal = error_of(
            up.client, request | {"dataset": dataset | {"uri": f"{store.scheme}://datasets/others/a.parquet"}}
        )

    with object_stores.reached(store.environment):
        assert len(verify(manifest, dataset["uri"]).row_indices) == ROWS // 2
    assert "outside the allowed folders" in refusal


def error_of(client: Client, request: dict[str, object]) -> str:
    with pytest.raises(ClientError) as error:
        client.submit(request)
    return str(error.value)
