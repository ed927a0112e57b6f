"""A client that openapi-python-client generates from our document, with nothing left out, works with a real service."""

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ted_core.results.manifest import verify
from tests.servers.stacks import Up

DOCUMENT = Path(__file__).parents[2] / "openapi" / "openapi.json"
NAME = "generated_ted_client"
SECONDS = 120
OPTIONS = ("--meta", "none", "--fail-on-warning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the generated client; the generator fails at the first thing that it would have to omit."""
    folder = tmp_path_factory.mktemp("clients")
    config = DOCUMENT.with_name("python-client.yaml")
    paths = ["--path", str(DOCUMENT), "--config", str(config), "--output-path", str(folder / NAME)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        [sys.executable, "-m", "openapi_python_client", "generate", *OPTIONS, *paths],
        env=os.environ | {"PATH": path},
        check=True,
        timeout=SECONDS,
    )
    return folder


@pytest.fixture
def generated(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield a function that imports a module of the client by its name."""
    monkeypatch.syspath_prepend(folder)

    def module(name: str) -> ModuleType:
        return importlib.import_module(f"{NAME}.{name}")

    yield module
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def test_a_generated_client_submits_a_job_waits_for_it_and_downloads_its_manifest(
    generated: Any, up: Up, digits: Path, tmp_path: Path
) -> None:
    models, jobs = generated("models"), generated("api.jobs.submit_job")
    read, download = generated("api.jobs.read_job"), generated("api.artifacts.download_manifest")
    key = (up.home / "up.key").read_text()
    request = models.JobRequest(
        dataset=models.DatasetSpec(uri=str(digits), task=models.DatasetSpecTask.IMAGE_CLASSIFICATION),
        proxy=models.ProxySpec(name="mlp", epochs=3),
        plan=models.PruningPlan(keep_ratio=0.6),
    )

    with generated("client").AuthenticatedClient(up.client.url, token=key, raise_on_unexpected_status=True) as client:
        job = jobs.sync(client=client, body=request, idempotency_key="generated")
        deadline = time.monotonic() + SECONDS
        while job.status in ("queued", "running", "finalizing") and time.monotonic() < deadline:
            job = read.sync(job.id, client=client, prefer="wait=5")
        file = download.sync(job.id, client=client)

    (path := tmp_path / "manifest.parquet").write_bytes(file.payload.read())
    assert job.status == "succeeded"
    assert len(verify(path, digits).row_indices) == job.result.rows_kept


def test_a_generated_client_parses_an_error_response(generated: Any, up: Up) -> None:
    with generated("client").Client(up.client.url) as client:
        error = generated("api.jobs.list_jobs").sync(client=client)

    assert (error.status, error.code) == (401, "key_not_accepted")
