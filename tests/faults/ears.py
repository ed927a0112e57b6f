"""A webhook of the test's own, and the receiver behind it, which believes only what is signed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine, func, select
from standardwebhooks import WebhookVerificationError

from ted_jobs.db.engine import read_transaction
from ted_jobs.db.tables import deliveries
from ted_jobs.jobs.status import TERMINAL_STATUSES
from ted_jobs.webhooks.deliveries import DeliveryStatus
from ted_jobs.webhooks.store import Webhook, WebhookStore
from tests.servers.webhook_receivers import Answer, Received, Receiver, in_turn, receiving

ENDS = tuple(f"job.{status}" for status in sorted(TERMINAL_STATUSES))


@dataclass(frozen=True)
class Ear:
    """What was registered, and what came."""

    engine: Engine
    webhook: Webhook
    receiver: Receiver

    def told(self) -> bool:
        """Whether nothing is left to be sent."""
        waiting = (deliveries.c.webhook_id == self.webhook.id) & (deliveries.c.status == DeliveryStatus.PENDING)
        with read_transaction(self.engine) as connection:
            return connection.scalar(select(func.count()).where(waiting)) == 0

    def untold(self, job_id: str, end: str) -> bool:
        """Whether this end of a job did not come, or came under several ids, or is not known to have come."""
        mine = (deliveries.c.webhook_id == self.webhook.id) & (deliveries.c.job_id == job_id)
        with read_transaction(self.engine) as connection:
            sent = connection.execute(select(deliveries).where(mine)).all()
        stored = {(row.id, row.type, row.status) for row in sent}
        came = {request.id for request in self.receiver.received if self._tells(request, job_id, end)}
        return len(came) != 1 or stored != {(id_, f"job.{end}", DeliveryStatus.DELIVERED) for id_ in came}

    def _tells(self, request: Received, job_id: str, end: str) -> bool:
        try:
            data = request.verified(self.webhook.secret)["data"]
        except WebhookVerificationError:
            return False
        return bool((data["job_id"], data["status"]) == (job_id, end))


@contextmanager
def listening(engine: Engine, *answers: Answer) -> Iterator[Ear]:
    """An ear for the ends of jobs, whose receiver gives these answers, and the last of them for ever."""
    mine = WebhookStore(engine, tenant="default")
    with receiving(in_turn(*answers)) as receiver:
        webhook = mine.register(receiver.url, ENDS)  # type: ignore[arg-type]
        try:
            yield Ear(engine, webhook, receiver)
        finally:
            mine.delete(webhook.id)
