"""What a job's speed says about others, and what a worker measures of itself."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from sqlalchemy import Engine

from ted_core.datasets import Samples
from ted_core.proxies import ProxySpec, ResolvedProxy, resolve_proxy
from ted_core.selection.rounds import Round
from ted_core.selection.workload import row_work
from ted_jobs.db import throughputs
from ted_jobs.jobs.leases import Claim
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.settings import Settings
from worker.messages import Speed
from worker.supervisor import Supervisor
from worker.timing import benchmark, throughput
from worker.timing.speed_test import measured_throughputs

SAMPLES = Samples(
    np.zeros((4, 3, 8, 8), np.uint8), np.array([0, 1, 0, 1]), ("a", "b"), np.arange(4, dtype=np.uint64), rows=4
)


def spec(**plan: object) -> JobSpec:
    return JobSpec.model_validate(
        {
            "dataset": {"uri": "/d", "task": "image-classification"},
            "proxy": {"name": "cnn"},
            "plan": {"keep_ratio": 0.5, **plan},
        }
    )


def last_round(*, trained: int, measured: int) -> Round:
    nothing = np.zeros(4, np.float32)
    return Round(
        number=1,
        rounds=1,
        retained=np.ones(4, bool),
        score=nothing,
        internal_generalization=nothing,
        last_round=np.ones(4, np.uint16),
        train_loss=0.5,
        samples_trained=trained,
        samples_measured=measured,
    )


def speed(
    *,
    trained: int = 900,
    measured: int = 300,
    seconds: float = 10.0,
    proxy: ResolvedProxy | None = None,
    **plan: object,
) -> Speed | None:
    usual = proxy or resolve_proxy(ProxySpec(name="cnn"))
    final = last_round(trained=trained, measured=measured)
    return throughput.job_speed(SAMPLES, usual, final, device="cpu, 2 threads", seconds=seconds, spec=spec(**plan))


def test_a_jobs_speed_counts_what_was_trained_and_a_third_of_what_was_measured() -> None:
    assert speed() == Speed(device="cpu, 2 threads", input_size=3 * 8 * 8, rows_per_second=100.0)
    assert row_work(900, 300) == pytest.approx(1000)


def test_a_job_that_trained_a_part_of_a_model_says_nothing_about_others() -> None:
    class Part(ResolvedProxy):
        frozen_blocks = 2

    usual = resolve_proxy(ProxySpec(name="cnn"))

    assert speed(proxy=Part(usual.family, usual.training)) is None


@pytest.mark.parametrize(
    "unusual",
    [
        {"seconds": 0.5},
        {"trained": 0, "measured": 0},
        {"method": "el2n"},
        {"score": "parameter"},
        {"proxy": resolve_proxy(ProxySpec(name="cnn", batch_size=2))},
        {"proxy": replace(resolve_proxy(ProxySpec(name="cnn")), batch_parts=2)},
        {"proxy": resolve_proxy(ProxySpec(name="cnn", precision="bfloat16"))},
    ],
    ids=[
        "too short",
        "nothing trained",
        "another method",
        "another score",
        "another batch size",
        "cut batches",
        "another precision",
    ],
)
def test_a_job_that_trained_otherwise_says_nothing_about_others(unusual: dict[str, object]) -> None:
    assert speed(**unusual) is None  # type: ignore[arg-type]


COUNT_EVERY_SECOND = "from worker.timing import throughput; throughput.SHORTEST_SECONDS = 0"
"""However fast the machine is, the job is not too short."""
RUNNER = (sys.executable, "-c", f"{COUNT_EVERY_SECOND}; from worker.runner import main; main()")


def test_a_succeeded_job_leaves_its_speed_for_the_estimates_of_others(
    claimed: Callable[..., Claim],
    supervised: Callable[[Claim], Supervisor],
    engine: Engine,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.child.starting.RUNNER_COMMAND", RUNNER)
    claim = claimed(epochs=10, q=1.0)

    job = supervised(claim).run()

    [measured] = throughputs.recent(engine, proxy="mlp", model=None)
    cost, seconds = ((job and job.result) or {})["cost"], ((job and job.result) or {})["seconds"]["pruning"]
    assert measured.rows_per_second == pytest.approx(
        row_work(cost["rows_trained"], cost["rows_measured"]) / seconds, rel=0.1
    )
    assert (measured.worker, measured.input_size) == (throughput.worker_kind(settings), 64)
    assert measured.device == ((job and job.result) or {})["device"]


def test_two_workers_of_one_machine_with_other_settings_are_not_mixed_up(settings: Settings) -> None:
    more_threads = settings.model_copy(update={"runner_threads": 64})

    assert throughput.worker_kind(settings) != throughput.worker_kind(more_threads)


# --- what a worker measures of itself ---------------------------------------------------------------------------------


def test_a_worker_measures_every_proxy_that_needs_no_pretrained_model() -> None:
    measured = list(measured_throughputs("w", device="cpu", threads=1, clock=ticking(0.02)))

    assert {one.proxy for one in measured} == {"mlp", "cnn", "resnet9", "resnet18"}
    assert all(one.rows_per_second > 0 for one in measured)
    assert {one.device for one in measured} == {"cpu, 1 thread"}


def ticking(seconds: float) -> Callable[[], float]:
    """A clock that advances by so many seconds whenever it is read."""
    readings = count()
    return lambda: next(readings) * seconds


def test_a_slow_machine_measures_only_what_two_seconds_suffice_for() -> None:
    measured = list(measured_throughputs("w", device="cpu", threads=1, clock=ticking(0.9)))

    assert [one.proxy for one in measured] == ["mlp"]


def run_benchmark(settings: Settings) -> "subprocess.CompletedProcess[str]":
    variables = {"TED_HOME": str(settings.home), "TED_DEVICE": "cpu", "TED_RUNNER_THREADS": "2"}
    process = subprocess.Popen(
        benchmark.COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | variables,
    )  # fmt: skip
    output = process.stdout.read() if process.stdout else ""
    process.communicate()
    return subprocess.CompletedProcess(benchmark.COMMAND, process.returncode, output)


def test_the_benchmark_stores_its_numbers_and_rests_for_a_week(engine: Engine, settings: Settings) -> None:
    first, second = run_benchmark(settings), run_benchmark(settings)

    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout.count("speed measured") >= 1
    assert second.stdout == ""
    [small, *_] = throughputs.recent(engine, proxy="mlp", model=None)
    assert (small.worker, small.input_size) == (throughput.worker_kind(settings), 16)


def test_a_database_that_is_away_only_costs_the_numbers(settings: Settings) -> None:
    away = run_benchmark(settings.model_copy(update={"home": settings.home / "nothing-there"}))

    assert away.returncode == 0
    assert "speed not stored" in away.stdout


def test_the_benchmark_ends_with_its_worker(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "COMMAND", (sys.executable, "-c", "import sys; sys.stdin.read()"))

    with benchmark.running_benchmark(settings.model_copy(update={"measure_throughput": True})) as process:
        assert process is not None
        assert process.poll() is None

    assert process.poll() is not None


def test_a_worker_that_is_not_to_measure_starts_no_benchmark(settings: Settings) -> None:
    with benchmark.running_benchmark(settings.model_copy(update={"measure_throughput": False})) as process:
        assert process is None
