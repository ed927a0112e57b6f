"""Deliveries to webhooks. Each is written in the transaction of the event that it reports, so none is lost.

It is sent at least once: a sender claims it for a while, and if it does not report back, another sender takes over.
"""

import json
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Connection, Engine, Select, bindparam, case, insert, null, select, update

from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import deliveries, jobs, webhooks

WebhookEventType = Literal["job.succeeded", "job.failed", "job.cancelled", "job.expired", "job.running", "job.queued"]
"""The events that a webhook may subscribe to."""
WEBHOOK_EVENT_TYPES = frozenset(get_args(WebhookEventType))
PING = "ping"
CLAIM_SECONDS = 120.0
"""How long a claim lasts; longer than an attempt can take."""
FAILURES_UNTIL_DISABLED = 5
"""After so many failed deliveries in a row, a webhook is disabled."""

# Run for every event, so built once. It locks the webhooks: none is deleted or disabled before the event commits.
SUBSCRIBED_WEBHOOKS = (
    select(webhooks.c.id, webhooks.c.events, now().label("at"))
    .join(jobs, jobs.c.tenant == webhooks.c.tenant)
    .where(jobs.c.id == bindparam("job_id"), webhooks.c.disabled_reason.is_(None))
    .with_for_update(read=True, of=webhooks)
)


class DeliveryStatus(StrEnum):
    """The status of a delivery."""

    PENDING = "pending"
    """Waiting for its next attempt, or in one."""
    DELIVERED = "delivered"
    """The receiver answered with 2xx."""
    FAILED = "failed"
    """Given up; it can be requested again."""


IS_DUE = (deliveries.c.status == DeliveryStatus.PENDING) & (deliveries.c.due_at <= now())


@dataclass(frozen=True)
class ClaimedDelivery:
    """A delivery that a sender has claimed."""

    id: str
    webhook_id: str
    tenant: str
    url: str
    payload: str
    attempt: int
    attempted_at: datetime
    """When this attempt began, by the database's clock: the sender's may be wrong, and old signatures are refused."""
    secrets: tuple[str, ...] = field(repr=False)
    """All of them sign: the present one and, for a while, the one before."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of an attempt: the receiver's HTTP status, and one word for what went wrong."""

    status_code: int | None = None
    error: str | None = None


def enqueue_deliveries(connection: Connection, job_id: str, *, sequence: int, topic: str) -> None:
    """Write a delivery for each webhook that subscribes to such events; called in the event's own transaction.

    If the tenant has no webhook, this costs one index search.
    """
    rows = [
        new_delivery_row(row.id, topic, _event_data(job_id, sequence, topic), at=row.at, job_id=job_id)
        for row in connection.execute(SUBSCRIBED_WEBHOOKS, {"job_id": job_id})
        if topic in row.events
    ]
    if rows:
        connection.execute(insert(deliveries), rows)


def _event_data(job_id: str, sequence: int, topic: str) -> dict[str, Any]:
    path = f"/v1/jobs/{job_id}"
    files = {name: f"{path}/{name}" for name in ("manifest", "report")} if topic == "job.succeeded" else {}
    links = {"self": path, "events": f"{path}/events"} | files
    return {"job_id": job_id, "status": topic.removeprefix("job."), "sequence": sequence, "links": links}


def new_delivery_row(
    webhook_id: str, topic: str, data: dict[str, Any], *, at: datetime, job_id: str | None = None
) -> dict[str, Any]:
    """Return the row of a delivery that is due at once; its payload is the very text that will be signed and sent."""
    timestamp = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "id": f"msg_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(8)}",
        "webhook_id": webhook_id,
        "job_id": job_id,
        "type": topic,
        "payload": json.dumps({"type": topic, "timestamp": timestamp, "data": data}, separators=(",", ":")),
        "status": DeliveryStatus.PENDING,
        "attempt": 0,
        "due_at": at,
        "created_at": at,
    }


@dataclass(frozen=True)
class WaitingWebhook:
    """A webhook to which a delivery is due."""

    id: str
    tenant: str
    due_at: datetime
    """When the oldest of them became due."""


WebhookChoice = Callable[[Sequence[WaitingWebhook]], WaitingWebhook | None]


def longest_due(waiting: Sequence[WaitingWebhook]) -> WaitingWebhook | None:
    """Return the webhook whose delivery has been due longest."""
    return min(waiting, key=lambda webhook: webhook.due_at, default=None)


def claim_next(engine: Engine, *, choose: WebhookChoice = longest_due) -> ClaimedDelivery | None:
    """Claim the oldest delivery that is due to the webhook that is chosen; None if none is due, or none chosen."""
    while True:
        with read_transaction(engine) as connection:
            webhook = choose(_waiting_webhooks(connection))
            if webhook is None:
                return None
            delivery_id = connection.scalar(_due(webhook.id).with_only_columns(deliveries.c.id))
        if delivery := _claim(engine, deliveries.c.id == delivery_id, IS_DUE):  # unless another sender was faster
            return delivery


def _waiting_webhooks(connection: Connection) -> list[WaitingWebhook]:
    """The webhooks to which deliveries are due: one index search for each webhook, however many are pending."""
    return [WaitingWebhook(*row) for row in connection.execute(OLDEST_DUE) if row[2] is not None]


def _due(webhook_id: str | ColumnElement[str]) -> Select[Any]:
    """The query for when the webhook's oldest due delivery became due. Ended deliveries are never due."""
    due = (deliveries.c.webhook_id == webhook_id) & (deliveries.c.due_at <= now())
    return select(deliveries.c.due_at).where(due).order_by(deliveries.c.due_at).limit(1)


# Run twice a second, so built once.
OLDEST_DUE = select(webhooks.c.id, webhooks.c.tenant, _due(webhooks.c.id).scalar_subquery())


def _claim(engine: Engine, *conditions: ColumnElement[bool]) -> ClaimedDelivery | None:
    changes = {"attempt": deliveries.c.attempt + 1, "due_at": now(CLAIM_SECONDS)}
    claim = update(deliveries).where(*conditions).values(changes)
    former = case((webhooks.c.former_secret_until > now(), webhooks.c.former_secret), else_=null())
    with write_transaction(engine) as connection:
        row = connection.execute(claim.returning(deliveries, now().label("at"))).one_or_none()
        if row is None:
            return None
        query = select(webhooks, former.label("former")).where(webhooks.c.id == row.webhook_id)
        webhook = connection.execute(query).one()
    return ClaimedDelivery(
        id=row.id,
        webhook_id=row.webhook_id,
        tenant=webhook.tenant,
        url=webhook.url,
        payload=row.payload,
        attempt=row.attempt,
        attempted_at=row.at,
        secrets=(webhook.secret, webhook.former) if webhook.former else (webhook.secret,),
    )


def succeed(engine: Engine, delivery: ClaimedDelivery, outcome: Outcome) -> None:
    """Record that the receiver has accepted the delivery."""
    with write_transaction(engine) as connection:
        _finish(connection, _claim_condition(delivery), DeliveryStatus.DELIVERED, outcome)


def retry(engine: Engine, delivery: ClaimedDelivery, outcome: Outcome, *, seconds: float) -> None:
    """Record a failed attempt; the next is due in so many seconds."""
    changes = {"due_at": now(seconds), "status_code": outcome.status_code, "error": outcome.error}
    with write_transaction(engine) as connection:
        connection.execute(update(deliveries).where(_claim_condition(delivery)).values(changes))


def give_up(engine: Engine, delivery: ClaimedDelivery, outcome: Outcome) -> None:
    """Record that no more attempts will be made. If the last deliveries all failed, disable their webhook."""
    with write_transaction(engine) as connection:
        # Every transaction locks the webhook's row before its deliveries, so that no two wait for each other.
        connection.execute(select(webhooks.c.id).where(webhooks.c.id == delivery.webhook_id).with_for_update())
        _finish(connection, _claim_condition(delivery), DeliveryStatus.FAILED, outcome)
        if _recent_all_failed(connection, delivery.webhook_id):
            disable_webhook(
                connection,
                delivery.webhook_id,
                reason=f"{FAILURES_UNTIL_DISABLED} deliveries on end failed in every attempt",
            )


def disable_gone(engine: Engine, delivery: ClaimedDelivery, outcome: Outcome) -> None:
    """Disable the webhook, because its receiver wants no more deliveries."""
    with write_transaction(engine) as connection:
        disable_webhook(connection, delivery.webhook_id, reason="the receiver answered 410 Gone")
        _finish(connection, deliveries.c.id == delivery.id, DeliveryStatus.FAILED, outcome)


def disable_webhook(connection: Connection, webhook_id: str, *, reason: str) -> None:
    """Disable the webhook; its pending deliveries fail."""
    connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(disabled_reason=reason))
    waiting = (deliveries.c.webhook_id == webhook_id) & (deliveries.c.status == DeliveryStatus.PENDING)
    _finish(connection, waiting, DeliveryStatus.FAILED, Outcome(error="webhook_disabled"))


def _claim_condition(delivery: ClaimedDelivery) -> ColumnElement[bool]:
    """The condition that nobody has claimed the delivery since."""
    claimed = (deliveries.c.id == delivery.id) & (deliveries.c.attempt == delivery.attempt)
    return claimed & (deliveries.c.status == DeliveryStatus.PENDING)


def _finish(connection: Connection, which: ColumnElement[bool], status: DeliveryStatus, outcome: Outcome) -> None:
    changes = {"status_code": outcome.status_code, "error": outcome.error}
    connection.execute(update(deliveries).where(which).values(status=status, due_at=None, finished_at=now(), **changes))


def _recent_all_failed(connection: Connection, webhook_id: str) -> bool:
    ended = select(deliveries.c.status).where(
        deliveries.c.webhook_id == webhook_id, deliveries.c.status != DeliveryStatus.PENDING
    )
    newest = ended.order_by(deliveries.c.finished_at.desc()).limit(FAILURES_UNTIL_DISABLED)
    return list(connection.scalars(newest)) == [DeliveryStatus.FAILED] * FAILURES_UNTIL_DISABLED
