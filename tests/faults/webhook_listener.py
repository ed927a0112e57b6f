"""A webhook of the test's own, and its receiver, which accepts only messages with a valid signature."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine, func, select

from ted_jobs.db.engine import read_transaction
from ted_jobs.db.tables import deliveries
from ted_jobs.jobs.status import TERMINAL_STATUSES
from ted_jobs.webhooks.deliveries import DeliveryStatus
from ted_jobs.webhooks.store import Webhook, WebhookStore
from tests.servers.webhook_receivers import Received, Receiver, Responder, in_turn, receiving

ENDS = tuple(f"job.{status}" for status in sorted(TERMINAL_STATUSES))


@dataclass(frozen=True)
class WebhookListener:
    """A registered webhook, and what its receiver got."""

    engine: Engine
    webhook: Webhook
    receiver: Receiver

    def all_sent(self) -> bool:
        """Say whether nothing is left to be sent."""
        waiting = (deliveries.c.webhook_id == self.webhook.id) & (deliveries.c.status == DeliveryStatus.PENDING)
        with read_transaction(self.engine) as connection:
            return connection.scalar(select(func.count()).where(waiting)) == 0

    def missed(self, job_id: str, end: str) -> bool:
        """Say whether this end of a job did not arrive, or under several ids, or is not recorded as delivered."""
        of_job = (deliveries.c.webhook_id == self.webhook.id) & (deliveries.c.job_id == job_id)
        with read_transaction(self.engine) as connection:
            rows = connection.execute(select(deliveries).where(of_job)).all()
        stored = {(row.id, row.type, row.status) for row in rows}
        arrived = {request.id for request in self.receiver.received if self._announces(request, job_id, end)}
        return len(arrived) != 1 or stored != {(id_, f"job.{end}", DeliveryStatus.DELIVERED) for id_ in arrived}

    def _announces(self, request: Received, job_id: str, end: str) -> bool:
        data = json.loads(request.body)["data"]
        return request.is_signed(self.webhook.secret) and (data["job_id"], data["status"]) == (job_id, end)


@contextmanager
def register_listener(engine: Engine, *answers: Responder) -> Iterator[WebhookListener]:
    """Yield a listener for the ends of jobs; its receiver gives these answers in turn, and the last one for ever."""
    webhooks = WebhookStore(engine, tenant="default")
    with receiving(in_turn(*answers)) as receiver:
        webhook = webhooks.register(receiver.url, ENDS)  # type: ignore[arg-type]
        try:
            yield WebhookListener(engine, webhook, receiver)
        finally:
            webhooks.delete(webhook.id)
