"""``ted run``: a selection in one command, by real processes and without a service."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ted_cli.demo_data import write_digits
from ted_core.datasets import DatasetSpec, load
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec
from ted_core.results.manifest import read_manifest, verify
from ted_core.selection.prune import prune

FILES = ["decisions.parquet", "manifest.parquet", "report.html", "report.json", "suspects.parquet"]
PATIENCE = 60
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    train, _ = write_digits(tmp_path_factory.mktemp("data"))
    return train


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    settings = {"TED_HOME": str(tmp_path / "home"), "TED_DEVICE": "cpu", "TED_RUNNER_THREADS": "1", "COLUMNS": "80"}
    return {**os.environ, **settings, "TED_CHECKPOINT_SECONDS": "0"}


def command(digits: Path, out: Path, *more: str) -> list[str]:
    options = ("--dataset", str(digits), "--task", "image-classification", "--proxy", "mlp", "--out", str(out))
    return [sys.executable, "-m", "ted_cli.main", "run", *options, *more]


@pytest.fixture
def run(digits: Path, environment: dict[str, str], tmp_path: Path) -> Run:
    def run(*more: str, out: Path = tmp_path / "out", **settings: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command(digits, out, *more),
            env=environment | settings,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    return run


def rows_of(digits: Path, *, epochs: int, rounds: int | None = None) -> list[int]:
    """What pruning in this process keeps."""
    samples = load(DatasetSpec(uri=str(digits), task="image-classification"), roots=[digits.parent])
    plan = PruningPlan(keep_ratio=0.6, rounds=rounds)
    *_, final = prune(samples, plan, proxy=ProxySpec(name="mlp", epochs=epochs))
    return np.flatnonzero(final.retained).tolist()


def test_a_run_leaves_what_a_service_would_have_published(run: Run, digits: Path, tmp_path: Path) -> None:
    done = run("--epochs", "6", "--keep", "0.6", "--json")

    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES
    manifest = verify(tmp_path / "out" / "manifest.parquet", digits)
    assert manifest.row_indices.tolist() == rows_of(digits, epochs=6)
    facts = json.loads(done.stdout)
    assert facts["status"] == "succeeded"
    assert facts["result"]["indices_sha256"] == manifest.metadata.indices_sha256
    assert json.loads((tmp_path / "out" / "report.json").read_text())["rows_kept"] == len(manifest.row_indices)
    assert "kept 809 of 1,348 rows" in done.stderr
    verify_it = [sys.executable, "-m", "ted_cli.main", "verify", str(manifest.path), str(digits)]
    assert "809 of 1,348 rows" in subprocess.run(verify_it, capture_output=True, text=True, check=True).stdout


def test_results_that_lie_there_are_not_overwritten_unless_that_is_asked_for(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.parquet").write_text("of an earlier run")

    done = run("--keep", "0.6")

    assert done.returncode == 2
    assert "--overwrite" in done.stderr
    assert (tmp_path / "out" / "manifest.parquet").read_text() == "of an earlier run"


def wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def interrupted(digits: Path, environment: dict[str, str], tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A run of many rounds that has written its first checkpoint."""
    long = command(digits, tmp_path / "out", *LONG)
    with subprocess.Popen(long, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        wait_for(tmp_path / "out" / ".ted-run" / "checkpoint.safetensors", process)
        yield process
        process.kill()


LONG = ("--epochs", "60", "--rounds", "30", "--keep", "0.6")


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_an_interrupted_run_goes_on_from_its_checkpoint_to_the_same_rows(
    number: signal.Signals, interrupted: "subprocess.Popen[str]", run: Run, digits: Path, tmp_path: Path
) -> None:
    interrupted.send_signal(number)
    _, said = interrupted.communicate(timeout=PATIENCE)
    if number == signal.SIGTERM:
        assert interrupted.returncode == 128 + number
        assert "goes on from the last checkpoint" in said

    done = run(*LONG)
    if "Another run writes" in done.stderr:  # the killed command's child has yet to notice
        time.sleep(3)
        done = run(*LONG)

    assert done.returncode == 0, done.stderr
    assert "from the checkpoint" in done.stderr
    assert read_manifest(tmp_path / "out" / "manifest.parquet").row_indices.tolist() == rows_of(
        digits, epochs=60, rounds=30
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES


def test_a_wrong_request_is_refused_in_the_words_of_the_options(run: Run, tmp_path: Path) -> None:
    done = run("--keep", "0.6", "--input", "picture")

    assert done.returncode == 2
    assert "error: --input: 'picture' is not among" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_failure_that_may_pass_has_a_status_of_its_own(run: Run) -> None:
    done = run("--keep", "0.6", TED_DEVICE="cuda:7", TED_MAX_ATTEMPTS="1")

    assert done.returncode == os.EX_TEMPFAIL
    assert "cuda:7" in done.stderr
