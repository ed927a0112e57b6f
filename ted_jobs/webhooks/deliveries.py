"""What webhooks are to be told. A delivery is written in the transaction of the event it tells of, so none is lost.

It is sent at least once: a sender claims it for a while, and whoever does not report back is followed by another.
"""

import json
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Connection, Engine, bindparam, case, insert, null, select, update

from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import deliveries, jobs, webhooks

WebhookEventType = Literal["job.succeeded", "job.failed", "job.cancelled", "job.expired", "job.running", "job.queued"]
"""The events that a webhook may ask for."""
WEBHOOK_EVENT_TYPES = frozenset(get_args(WebhookEventType))
PING = "ping"
CLAIM_SECONDS = 120.0
"""How long a sender that fell silent is waited for; longer than an attempt can take."""
FAILURES_UNTIL_DISABLED = 5
"""After so many deliveries on end that nobody took in any of their attempts, a webhook is disabled."""

# Asked with every event, so built once. Locked, or one could be deleted or disabled before the event commits.
SUBSCRIBED_WEBHOOKS = (
    select(webhooks.c.id, webhooks.c.events, now().label("at"))
    .join(jobs, jobs.c.tenant == webhooks.c.tenant)
    .where(jobs.c.id == bindparam("job_id"), webhooks.c.disabled_reason.is_(None))
    .with_for_update(read=True, of=webhooks)
)


class DeliveryStatus(StrEnum):
    """How a delivery stands."""

    PENDING = "pending"
    """Waits for its next attempt, or is in one."""
    DELIVERED = "delivered"
    """The receiver has answered with 2xx."""
    FAILED = "failed"
    """Given up; it can be asked for again."""


@dataclass(frozen=True)
class ClaimedDelivery:
    """A delivery in the hands of a sender."""

    id: str
    webhook_id: str
    url: str
    payload: str
    attempt: int
    attempted_at: datetime
    """When this attempt began, by the database's clock: a sender's own may be wrong, and a receiver refuses a stale
    signature."""
    secrets: tuple[str, ...] = field(repr=False)
    """Each signs: the present one, and for a while the one before."""


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt: the status the receiver answered with, and a word for what went wrong."""

    status_code: int | None = None
    error: str | None = None


def enqueue_deliveries(connection: Connection, job_id: str, *, sequence: int, topic: str) -> None:
    """Have the webhooks told that asked for such events; belongs into the event's own transaction.

    Where the tenant has no webhook this is one look into an index.
    """
    rows = [
        new_delivery_row(row.id, topic, _event_data(job_id, sequence, topic), at=row.at, job_id=job_id)
        for row in connection.execute(SUBSCRIBED_WEBHOOKS, {"job_id": job_id})
        if topic in row.events
    ]
    if rows:
        connection.execute(insert(deliveries), rows)


def _event_data(job_id: str, sequence: int, topic: str) -> dict[str, Any]:
    here = f"/v1/jobs/{job_id}"
    files = {name: f"{here}/{name}" for name in ("manifest", "report")} if topic == "job.succeeded" else {}
    links = {"self": here, "events": f"{here}/events"} | files
    return {"job_id": job_id, "status": topic.removeprefix("job."), "sequence": sequence, "links": links}


def new_delivery_row(
    webhook_id: str, topic: str, data: dict[str, Any], *, at: datetime, job_id: str | None = None
) -> dict[str, Any]:
    """The row of a delivery that is due at once, its payload the very text that will be signed and sent."""
    stamp = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "id": f"msg_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(8)}",
        "webhook_id": webhook_id,
        "job_id": job_id,
        "type": topic,
        "payload": json.dumps({"type": topic, "timestamp": stamp, "data": data}, separators=(",", ":")),
        "status": DeliveryStatus.PENDING,
        "attempt": 0,
        "due_at": at,
        "created_at": at,
    }


def claim_next(engine: Engine, *, but: Collection[str] = ()) -> ClaimedDelivery | None:
    """The delivery that has been due longest, for the caller to send; None where none is due.

    ``but``: webhooks that have enough to do.
    """
    due = (deliveries.c.status == DeliveryStatus.PENDING) & (deliveries.c.due_at <= now())
    first = select(deliveries.c.id).where(due, deliveries.c.webhook_id.not_in(but)).order_by(deliveries.c.due_at)
    while True:
        with read_transaction(engine) as connection:
            delivery_id = connection.scalar(first.limit(1))
        if delivery_id is None:
            return None
        if message := _claim(engine, deliveries.c.id == delivery_id, due):  # unless another sender was faster
            return message


def _claim(engine: Engine, *conditions: ColumnElement[bool]) -> ClaimedDelivery | None:
    ahead = {"attempt": deliveries.c.attempt + 1, "due_at": now(CLAIM_SECONDS)}
    claim = update(deliveries).where(*conditions).values(ahead)
    former = case((webhooks.c.former_secret_until > now(), webhooks.c.former_secret), else_=null())
    with write_transaction(engine) as connection:
        row = connection.execute(claim.returning(deliveries, now().label("at"))).one_or_none()
        if row is None:
            return None
        whom = select(webhooks.c.url, webhooks.c.secret, former.label("former")).where(webhooks.c.id == row.webhook_id)
        url, *keys = connection.execute(whom).one()
    signing = tuple(filter(None, keys))
    return ClaimedDelivery(
        row.id, row.webhook_id, url, row.payload, attempt=row.attempt, attempted_at=row.at, secrets=signing
    )


def succeed(engine: Engine, message: ClaimedDelivery, outcome: Outcome) -> None:
    """Note that the receiver has taken it."""
    with write_transaction(engine) as connection:
        _finish(connection, _claim_condition(message), DeliveryStatus.DELIVERED, outcome)


def retry(engine: Engine, message: ClaimedDelivery, outcome: Outcome, *, seconds: float) -> None:
    """Note an attempt that came to nothing; the next is due in so many seconds."""
    later = {"due_at": now(seconds), "status_code": outcome.status_code, "error": outcome.error}
    with write_transaction(engine) as connection:
        connection.execute(update(deliveries).where(_claim_condition(message)).values(later))


def give_up(engine: Engine, message: ClaimedDelivery, outcome: Outcome) -> None:
    """Note that no more attempts will be made. Where the last deliveries all ended so, their webhook is disabled."""
    with write_transaction(engine) as connection:
        # The webhook's row is locked before its deliveries, here as everywhere, so that no two wait for each other.
        connection.execute(select(webhooks.c.id).where(webhooks.c.id == message.webhook_id).with_for_update())
        _finish(connection, _claim_condition(message), DeliveryStatus.FAILED, outcome)
        if _recent_all_failed(connection, message.webhook_id):
            disable_webhook(
                connection,
                message.webhook_id,
                reason=f"{FAILURES_UNTIL_DISABLED} deliveries on end failed in every attempt",
            )


def disable_gone(engine: Engine, message: ClaimedDelivery, outcome: Outcome) -> None:
    """Disable the webhook: its receiver wants no more."""
    with write_transaction(engine) as connection:
        disable_webhook(connection, message.webhook_id, reason="the receiver answered 410 Gone")
        _finish(connection, deliveries.c.id == message.id, DeliveryStatus.FAILED, outcome)


def disable_webhook(connection: Connection, webhook_id: str, *, reason: str) -> None:
    """Tell the webhook nothing any more; what was still to be told has failed."""
    connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(disabled_reason=reason))
    waiting = (deliveries.c.webhook_id == webhook_id) & (deliveries.c.status == DeliveryStatus.PENDING)
    _finish(connection, waiting, DeliveryStatus.FAILED, Outcome(error="webhook_disabled"))


def _claim_condition(message: ClaimedDelivery) -> ColumnElement[bool]:
    """Whether this sender's claim is the last."""
    claimed = (deliveries.c.id == message.id) & (deliveries.c.attempt == message.attempt)
    return claimed & (deliveries.c.status == DeliveryStatus.PENDING)


def _finish(connection: Connection, which: ColumnElement[bool], status: DeliveryStatus, outcome: Outcome) -> None:
    facts = {"status_code": outcome.status_code, "error": outcome.error}
    ended = update(deliveries).where(which).values(status=status, due_at=None, finished_at=now(), **facts)
    connection.execute(ended)


def _recent_all_failed(connection: Connection, webhook_id: str) -> bool:
    ended = select(deliveries.c.status).where(
        deliveries.c.webhook_id == webhook_id, deliveries.c.status != DeliveryStatus.PENDING
    )
    last = list(connection.scalars(ended.order_by(deliveries.c.finished_at.desc()).limit(FAILURES_UNTIL_DISABLED)))
    return last == [DeliveryStatus.FAILED] * FAILURES_UNTIL_DISABLED
