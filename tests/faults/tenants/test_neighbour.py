"""Whatever one tenant sends, another is served: its polls are answered, its job starts, its webhook is called."""

import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ted_client.errors import ClientError
from ted_jobs.api_keys.secret import key_secret
from ted_jobs.api_keys.store import ApiKeyStore, NewApiKey
from tests.faults.conftest import body_on
from tests.faults.fault_injection import ATTEMPT_SECONDS, OPEN_FILES
from tests.faults.matrix import BOTH
from tests.faults.outcome import job_histories
from tests.faults.results_table import NEIGHBOURS
from tests.faults.service import IDLE_RUNNER, ROOT, Service, serving
from tests.faults.tenants.attacks import ATTACKS
from tests.faults.tenants.neighbour import Neighbour, waited_for_a_free_worker
from tests.servers.databases import migrated
from tests.servers.stacks import until
from tests.servers.webhook_receivers import receiving

SECONDS = float(os.environ.get("TED_NEIGHBOUR_SECONDS", "5"))
IDLE_SECONDS = 3
MOST_TIMES_SLOWER = 10
LEAST_IDLE_SECONDS = 0.02
"""An idle service may count as this slow: on two cores that others use as well, less is noise."""
MOST_START_SECONDS, MOST_PING_SECONDS = 5, 5
LONGEST_START_SECONDS = 30
WORKERS = 2
TENANTS = (("neighbour", 0), ("attacker", None))
"""Each with its limit of requests a minute: none, or the usual one."""
MOST_FILES = "1024"
"""The usual limit of a process."""

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180 + 2 * SECONDS)]


@dataclass(frozen=True)
class SharedService:
    """A service that two tenants share."""

    database: str
    service: Service
    engine: Engine
    table: Path
    keys: tuple[str, str]

    @property
    def neighbour(self) -> Neighbour:
        """The tenant that does no harm."""
        return Neighbour(self.service.url, self.keys[0])

    @contextmanager
    def attacked(self, attack: str) -> Iterator[None]:
        """Have the other tenant attack, from a process of its own, until the block ends."""
        folder = self.table.parent / attack
        folder.mkdir()
        command = [sys.executable, "-m", "tests.faults.tenants.attacks", attack, self.service.url, self.keys[1]]
        with subprocess.Popen([*command, str(folder)], cwd=ROOT, stdout=subprocess.PIPE) as attacker:
            try:
                assert attacker.stdout
                assert attacker.stdout.readline() == b"attacking\n"
                yield
            finally:
                attacker.kill()

    def seconds_to_start(self, submission: Future[str]) -> float:
        """Return how long a free worker has left the job waiting; infinity if it was not accepted, or never started."""
        try:
            job_id = submission.result(LONGEST_START_SECONDS)
            until(lambda: self.started(job_id), seconds=LONGEST_START_SECONDS)
        except (ClientError, TimeoutError, AssertionError):
            return math.inf
        return waited_for_a_free_worker(self.engine, job_id, workers=WORKERS)

    def started(self, job_id: str) -> bool:
        """Say whether a worker has taken the job."""
        return job_histories(self.engine)[job_id].claims > 0


@pytest.fixture(params=BOTH)
def shared(request: pytest.FixtureRequest, tmp_path: Path, table: Path) -> Iterator[SharedService]:
    """Two workers, since an attacker may keep one of them busy with a job that does not end."""
    home, data = tmp_path / "home", tmp_path / "data"
    data.mkdir()
    copy = Path(shutil.copy(table, data))
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{home / 'ted.db'}" if is_sqlite else request.getfixturevalue("cluster").new_database()
    environment = {"TED_AUTH": "keys", ATTEMPT_SECONDS: "15", OPEN_FILES: MOST_FILES}
    with migrated(url) as engine, serving(home, database=url, roots=data, runner=IDLE_RUNNER, **environment) as service:
        service.start("second worker")
        store = ApiKeyStore(engine, secret=key_secret(service.settings))
        texts = [store.create(NewApiKey(tenant=tenant, requests_per_minute=limit))[1] for tenant, limit in TENANTS]
        yield SharedService(request.param, service, engine, copy, (texts[0], texts[1]))


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_tenant_is_served_beside(attack: str, shared: SharedService) -> None:
    neighbour = shared.neighbour
    ended = neighbour.submit(body_on(shared.table)(0))
    until(lambda: shared.started(ended))
    idle = neighbour.poll(ended, seconds=IDLE_SECONDS)

    with shared.attacked(attack), ThreadPoolExecutor(1) as thread:
        submission = thread.submit(neighbour.submit, body_on(shared.table)(1))
        disturbed = neighbour.poll(ended, seconds=SECONDS)
        waited = shared.seconds_to_start(submission)
    NEIGHBOURS.add(attack, shared.database, idle=str(idle), disturbed=str(disturbed), start=f"{waited:.1f} s")

    assert disturbed.quantile(0.99) < MOST_TIMES_SLOWER * max(idle.quantile(0.99), LEAST_IDLE_SECONDS)
    assert waited < MOST_START_SECONDS


def test_a_tenant_s_webhook_is_called_beside_receivers_that_never_answer(shared: SharedService) -> None:
    with receiving() as receiver, shared.neighbour.client() as client:
        webhook = client.register_webhook(receiver.url)["id"]
        client.ping_webhook(webhook)
        until(lambda: receiver.received)

        with shared.attacked("webhooks"):
            time.sleep(SECONDS)
            began = time.monotonic()
            client.ping_webhook(webhook)
            until(lambda: len(receiver.received) > 1)
    seconds = time.monotonic() - began
    NEIGHBOURS.add("webhooks", shared.database, ping=f"{seconds:.1f} s")

    assert seconds < MOST_PING_SECONDS
