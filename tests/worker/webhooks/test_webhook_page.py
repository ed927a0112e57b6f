"""The receiver that docs/webhooks.md shows, run as it stands there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ted_jobs.webhooks import deliveries as due
from ted_jobs.webhooks.store import Webhook, WebhookStore
from tests.servers.object_stores import free_port, listens
from tests.servers.stacks import until
from worker.webhooks.sender import attempt_delivery

DOCUMENT = Path(__file__).parents[3] / "docs" / "webhooks.md"


@pytest.fixture
def program() -> str:
    (found,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return found


@pytest.fixture
def webhook(engine: Engine) -> Webhook:
    return WebhookStore(engine, tenant="default").register(f"http://127.0.0.1:{free_port()}/", ["job.succeeded"])


@pytest.fixture
def running(program: str, webhook: Webhook) -> Iterator[subprocess.Popen[str]]:
    port = webhook.url.rstrip("/").rpartition(":")[2]
    variables = os.environ | {"PORT": port, "WEBHOOK_SECRET": webhook.secret}
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        until(lambda: listens(int(port)))
        yield process
        process.kill()


def test_it_takes_in_what_is_signed_and_nothing_else(
    engine: Engine, webhook: Webhook, running: subprocess.Popen[str]
) -> None:
    mine = WebhookStore(engine, tenant="default")
    forger = mine.register(webhook.url, ["job.succeeded"])
    genuine, forged = mine.ping(webhook.id), mine.ping(forger.id)

    for _ in range(2):
        attempt_delivery(engine, due.claim_next(engine), reach="loopback")

    assert running.stdout
    assert running.stdout.readline().split() == [genuine.id, "ping", "None"]
    (taken,), (refused,) = (mine.deliveries(one.webhook_id, limit=2) for one in (genuine, forged))
    assert (taken.status, taken.status_code) == ("delivered", 204)
    assert (refused.status, refused.status_code, refused.error) == ("pending", 401, "refused")
