"""The client as the wheel brings it, without an extra: small, and enough to submit a job and take its result home."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ted_core.results.manifest import verify
from tests.deployment.distributions import installed_with
from tests.deployment.installation import (
    PIP,
    ROOT,
    Installation,
    disk_space,
    install,
    link_packages,
    own_requirements,
)
from tests.servers.stacks import Up, ted_up

MEBIBYTE = 1 << 20
MOST_BYTES = 150 * MEBIBYTE
INDEX_SECONDS = 10
HEAVY = {"torch", "pyarrow", "numpy", "scipy", "fastapi", "sqlalchemy", "celery"}
READ_MANIFEST = """
import sys
from ted_core.results.manifest import read_manifest, verify

verify(sys.argv[1], sys.argv[2])
print(len(read_manifest(sys.argv[1]).row_indices), "torch" in sys.modules)
"""

Install = Callable[..., Installation]


@pytest.fixture(scope="module")
def with_extras(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Install:
    """An installation with these extras: the wheel, and of what is installed here only what comes with it."""

    def make(*extras: str) -> Installation:
        installation = install(wheel, tmp_path_factory.mktemp("bare") / "venv")
        link_packages(installation, installed_with(own_requirements(installation, *extras)))
        return installation

    return make


@pytest.fixture(scope="module")
def client(with_extras: Install) -> Installation:
    """The thin client."""
    return with_extras()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of the jobs."""
    path = tmp_path_factory.mktemp("data") / "table.parquet"
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    pq.write_table(pa.table({"x": x, "y": rng.normal(size=200), "label": (x > 0).astype(int)}), path)
    return path


@pytest.fixture(scope="module")
def service(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A service from this checkout."""
    with ted_up(tmp_path_factory.mktemp("home"), roots=table.parent) as up:
        yield up


def test_the_client_takes_little_room(client: Installation) -> None:
    assert disk_space(client.site_packages) < MOST_BYTES


def test_the_client_brings_nothing_heavy(client: Installation, tmp_path: Path) -> None:
    code = f"from importlib.util import find_spec\nprint(*(name for name in {sorted(HEAVY)!r} if find_spec(name)))"

    done = client.run(client.python, "-c", code, cwd=tmp_path)

    assert (done.stdout.strip(), done.stderr) == ("", "")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_command_starts(option: str, client: Installation, tmp_path: Path) -> None:
    done = client.run(client.ted, option, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize(("command", "extras"), [("up", "server,worker"), ("api", "server"), ("worker", "worker")])
def test_a_command_that_needs_more_says_what_to_install(
    command: str, extras: str, client: Installation, tmp_path: Path
) -> None:
    done = client.run(client.ted, command, cwd=tmp_path, TED_HOME=str(tmp_path))

    assert done.returncode == 2, done.stderr
    assert f"pip install 'ted-coreset[{extras}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_reading_a_manifest_without_pyarrow_says_what_to_install(client: Installation, tmp_path: Path) -> None:
    done = client.run(client.python, "-c", "from ted_client.subset import retained", cwd=tmp_path)

    assert "pip install 'ted-coreset[manifest]'" in done.stderr


def test_a_job_is_submitted_and_its_manifest_comes_home_and_is_verified(
    client: Installation, with_extras: Install, service: Up, table: Path, tmp_path: Path
) -> None:
    def ted(*arguments: str) -> str:
        done = client.run(client.ted, *arguments, cwd=tmp_path, TED_HOME=str(service.home))
        assert done.returncode == 0, done.stderr
        return done.stdout

    chosen = ("--task", "tabular-classification", "--target", "label", "--proxy", "mlp", "--epochs", "2", "--q", "1")
    submitted = ted("submit", "--dataset", str(table), *chosen, "--keep", "0.5", "--watch")
    job_id = submitted.split()[0]
    assert job_id in ted("list")
    manifest = tmp_path / ted("download", job_id).strip()

    verify(manifest, table)
    reader = with_extras("manifest")
    done = reader.run(reader.python, "-c", READ_MANIFEST, str(manifest), str(table), cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("100 False\n", "")


@pytest.mark.slow
def test_pip_installs_the_client_in_little_room(wheel: Path, tmp_path: Path) -> None:
    installation = install(wheel, tmp_path / "venv")
    choices = ("--constraint", str(ROOT / "constraints" / "ci.txt"), "--retries", "0", "--timeout", str(INDEX_SECONDS))
    pip = [*PIP, "--python", str(installation.python), "install", *choices, str(wheel)]

    done = installation.run(*pip, cwd=tmp_path, seconds=240)
    if "No matching distribution" in done.stderr or "timed out" in done.stderr:
        pytest.skip("the package index does not answer")

    assert done.returncode == 0, done.stderr
    assert disk_space(installation.site_packages) < MOST_BYTES
    assert installation.run(installation.ted, "--help", cwd=tmp_path).returncode == 0
