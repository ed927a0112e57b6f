"""Many small jobs: submitted while there is no broker, and run while everything is killed at random."""

import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.faults.conftest import Deployment, body_on, deploy
from tests.faults.driver import Driver, Promise, read_promises
from tests.faults.load.chaos import random_faults
from tests.faults.matrix import CONTENT
from tests.faults.outcome import assess
from tests.faults.results_table import RESULTS_TABLE
from tests.faults.service import IDLE_RUNNER
from tests.servers.stacks import until

POSTS = int(os.environ.get("TED_FAULT_POSTS", "50"))
JOBS = int(os.environ.get("TED_FAULT_JOBS", "30"))
SEED = int(os.environ.get("TED_FAULT_SEED", random.SystemRandom().randrange(1 << 16)))
SECONDS_PER_JOB, LEAST_SECONDS = 2, 120
MANY = 1000
MOST_ADDED_SECONDS = 0.1

pytestmark = pytest.mark.timeout(3600 * 3)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.faults)])
def deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, table: Path
) -> Iterator[Deployment]:
    """A service whose runners train nothing, so that thousands of jobs can be run."""
    with deploy(request, tmp_path_factory.mktemp("home"), table, runner=IDLE_RUNNER) as deployment:
        yield deployment


def seeds(count: int) -> Iterator[int]:
    return (number % 2 for number in range(count))


def quantile(promises: Sequence[Promise], share: float) -> float:
    """Return the seconds that this share of the submissions took at most."""
    return sorted(promise.seconds for promise in promises)[int(len(promises) * share)]


def compared_quantile() -> float:
    """Return p99 if there are many; of a few hundred it is the second worst, which the machine's other work decides."""
    return 0.99 if POSTS >= MANY else 0.5


def check(deployment: Deployment, log: Path, name: str) -> None:
    promises, root = read_promises(log), deployment.service.settings.artifacts
    golden, fault_at = deployment.golden(CONTENT), deployment.service.fault_at
    outcome = assess(deployment.engine, promises, golden=golden, root=root, fault_at=fault_at)
    RESULTS_TABLE.add(name, deployment.database, outcome)
    assert outcome.nothing_lost


def test_submissions_are_as_quick_without_a_broker_and_run_once_it_is_back(
    deployment: Deployment, table: Path, tmp_path: Path
) -> None:
    share = compared_quantile()
    usual = Driver(deployment.service.url, body=body_on(table), log=tmp_path / "usual.jsonl")
    with_broker = quantile(usual.submit(seeds(min(POSTS, MANY))), share)
    usual.close()
    until(deployment.context(usual).settled, seconds=LEAST_SECONDS + SECONDS_PER_JOB * POSTS)

    deployment.service.kill("broker")
    driver = Driver(deployment.service.url, body=body_on(table), log=tmp_path / "promises.jsonl")
    without = quantile(driver.submit(seeds(POSTS)), share)
    driver.close()
    deployment.service.start_missing()
    deployment.service.mark_fault()
    until(deployment.context(driver).settled, seconds=LEAST_SECONDS + SECONDS_PER_JOB * POSTS)

    figures = f"p{100 * share:.0f} {1000 * with_broker:.0f} ms with, {1000 * without:.0f} ms without a broker"
    check(deployment, tmp_path / "promises.jsonl", f"5: {POSTS} submissions, {figures}")
    assert without - with_broker < MOST_ADDED_SECONDS


def test_nothing_is_lost_when_anything_may_be_killed_at_any_time(
    deployment: Deployment, driver: Driver, tmp_path: Path
) -> None:
    context = deployment.context(driver)
    driver.begin(seeds(JOBS))

    count = 0
    for _ in random_faults(context, seed=SEED):
        count += 1
        if driver.done() and context.settled():
            break
    deployment.service.restore()
    until(context.settled, seconds=LEAST_SECONDS)

    check(deployment, tmp_path / "promises.jsonl", f"1-6: {count} random faults, seed {SEED}")
