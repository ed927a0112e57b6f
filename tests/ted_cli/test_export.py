"""``ted export``: a job's rows, or those of a manifest that lies here, as files for another program."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ted_cli.main import app
from ted_client import Client
from ted_core.results.manifest import read_manifest
from ted_jobs.jobs.leases import Leases
from ted_jobs.settings import Settings
from tests.ted_cli.test_suspects import RESULT
from tests.ted_core.datasets.files import IMAGES
from tests.ted_core.datasets.manifests import manifest_of
from tests.ted_jobs.successes import succeed

Ted = Callable[..., str]


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with closing(Client(url)) as client:
        yield client


@pytest.fixture
def data(settings: Settings) -> Path:
    return Path(str(settings.dataset_roots[0])) / "images.parquet"


@pytest.fixture
def manifest(data: Path, tmp_path: Path) -> Path:
    return manifest_of(data, tmp_path / "out", task=IMAGES)


@pytest.fixture
def job(client: Client, leases: Leases, settings: Settings, data: Path, manifest: Path) -> str:
    """The id of a job that has this manifest."""
    request = {"dataset": {"uri": str(data), "task": IMAGES}, "proxy": {"name": "cnn"}, "plan": {"keep_ratio": 0.5}}
    job_id = client.submit(request).id
    succeed(job_id, {"manifest": manifest}, leases=leases, artifacts=settings.artifacts, result=RESULT)
    return job_id


@pytest.fixture
def ted(url: str) -> Ted:
    """What a command prints."""

    def run(*arguments: object, status: int = 0) -> str:
        done = CliRunner().invoke(app, ["--url", url, "export", *map(str, arguments)], env={"COLUMNS": "200"})
        assert done.exit_code == status, done.output
        return done.output if status else done.stdout

    return run


def test_a_job_s_rows_are_exported(ted: Ted, job: str, data: Path, manifest: Path, tmp_path: Path) -> None:
    printed = ted(job, "--to", tmp_path / "rows", "--as", "parquet")

    assert printed == f"{tmp_path / 'rows'}\n"
    rows = pq.read_table(tmp_path / "rows" / "part-00000.parquet")
    assert rows.to_pylist() == pq.read_table(data).take(read_manifest(manifest).row_indices).to_pylist()


def test_a_manifest_that_lies_here_needs_no_job(ted: Ted, manifest: Path, tmp_path: Path) -> None:
    ted("--manifest", manifest, "--to", tmp_path / "rows", "--as", "npy")

    assert (tmp_path / "rows" / "rows.npy").exists()


def test_what_cannot_be_meant_is_refused(ted: Ted, manifest: Path, tmp_path: Path) -> None:
    to = ("--to", tmp_path / "rows", "--as", "npy")

    assert "a job or a manifest, and not both" in ted(*to, status=2)
    assert "a job or a manifest, and not both" in ted("job_1", "--manifest", manifest, *to, status=2)
    assert "the ratio that it has" in ted("--manifest", manifest, "--keep", "0.3", *to, status=2)
    assert "'tfrecord' is not one of" in ted(
        "--manifest", manifest, "--to", tmp_path / "rows", "--as", "tfrecord", status=2
    )
