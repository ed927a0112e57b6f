"""What a runner is told by its environment, before it loads anything."""

import os
import sys
from pathlib import Path

import pytest

from ted_cli import evaluation
from ted_jobs.settings import Settings
from worker.child import starting
from worker.child.starting import Streams, start_cold
from worker.timing import benchmark

SAYS_POLICY = (sys.executable, "-c", "import os; print(os.environ.get('OMP_WAIT_POLICY'), end='')")


def said(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> bytes:
    """What a runner with this command prints."""
    monkeypatch.setattr(starting, "RUNNER_COMMAND", command)
    output, output_end = os.pipe()
    with Path(os.devnull).open("r+b") as nothing:
        process = start_cold(Streams(nothing.fileno(), output_end, nothing.fileno()))
    os.close(output_end)
    with os.fdopen(output, "rb") as printed:
        text = printed.read()
    process.wait(10)
    return text


@pytest.mark.parametrize(("inherited", "policy"), [(None, b"PASSIVE"), ("ACTIVE", b"ACTIVE")])
def test_a_runners_threads_wait_without_spinning_unless_somebody_has_chosen(
    monkeypatch: pytest.MonkeyPatch, inherited: str | None, policy: bytes
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if inherited:
        monkeypatch.setenv("OMP_WAIT_POLICY", inherited)

    assert said(SAYS_POLICY, monkeypatch) == policy


def test_so_do_those_of_a_worker_that_measures_itself(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], settings: Settings
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setattr(benchmark, "COMMAND", SAYS_POLICY)

    with benchmark.running_benchmark(settings.model_copy(update={"measure_throughput": True})) as process:
        assert process
        process.wait(10)

    assert capfd.readouterr().out == "PASSIVE"


def test_so_do_those_of_an_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    says = "import json, os; print(json.dumps({'kind': 'evaluation', 'policy': os.environ['OMP_WAIT_POLICY']}))"
    monkeypatch.setattr(evaluation, "module_command", lambda *_: (sys.executable, "-c", says))

    assert evaluation.run_evaluation({}) == {"policy": "PASSIVE"}
