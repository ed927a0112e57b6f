"""Jobs are deleted seconds after they have ended, while others run and clients read both."""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.faults.conftest import Deployment, body_on, deploy
from tests.faults.driver import Driver
from tests.faults.fault_injection import MAINTENANCE_SECONDS
from tests.faults.matrix import BOTH
from tests.faults.outcome import job_histories
from tests.faults.service import IDLE_RUNNER
from tests.servers.stacks import until

JOBS, READERS, RETENTION_SECONDS = 40, 4, 3
PATHS = ("", "/manifest", "/events")
INTACT, GONE = "read as it was published", "gone"

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]


@pytest.fixture(params=BOTH)
def deployment(request: pytest.FixtureRequest, tmp_path: Path, table: Path) -> Iterator[Deployment]:
    environment = {"TED_RETENTION_DAYS": str(RETENTION_SECONDS / 86400), MAINTENANCE_SECONDS: "0.2"}
    with deploy(request, tmp_path / "home", table, runner=IDLE_RUNNER, **environment) as deployment:
        yield deployment


def test_a_job_is_read_whole_or_not_at_all_while_old_ones_are_deleted(
    deployment: Deployment, table: Path, tmp_path: Path
) -> None:
    driver = Driver(deployment.service.url, body=body_on(table), log=tmp_path / "promises.jsonl")
    promises = driver.submit(number % 2 for number in range(JOBS))
    driver.close()

    with ThreadPoolExecutor(READERS) as readers:
        answers = sum(readers.map(lambda job: read_until_gone(deployment.service.url, job.job_id), promises), Counter())

    assert set(answers) == {INTACT, GONE}
    assert answers[INTACT] > JOBS
    until(lambda: not job_histories(deployment.engine))


def read_until_gone(url: str, job_id: str) -> Counter[str]:
    """Read everything of a job over and over, until it has been deleted; count what came of it."""
    answers: Counter[str] = Counter()
    with httpx.Client(base_url=f"{url}/v1/jobs/{job_id}", timeout=30, trust_env=False) as client:
        while not answers[GONE]:
            for path in PATHS:
                answers[verdict(client.get(path))] += 1
    return answers


def verdict(response: httpx.Response) -> str:
    """Return what a reader gets: the file, nothing yet, nothing any more, or something that it should not."""
    if response.status_code == httpx.codes.NOT_FOUND:
        return GONE
    digest = base64.b64encode(hashlib.sha256(response.content).digest()).decode()
    is_whole = digest in response.headers.get("Repr-Digest", digest)
    is_early = response.status_code == httpx.codes.CONFLICT
    return INTACT if is_whole and (is_early or response.is_success) else f"{response.status_code} {response.text[:200]}"
