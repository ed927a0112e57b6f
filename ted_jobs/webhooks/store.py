"""What clients do with webhooks: register, change, rotate and delete them, and read their deliveries."""

import base64
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, Table, case, delete, func, insert, select, update

from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.paging import newest_first, newest_with_status, older
from ted_jobs.db.tables import deliveries, webhooks
from ted_jobs.errors import DeliveryNotFound, TooManyWebhooks, UnknownCursor, WebhookDisabled, WebhookNotFound
from ted_jobs.webhooks.deliveries import PING, DeliveryStatus, WebhookEventType, disable_webhook, new_delivery_row

MOST_WEBHOOKS = 20
"""Webhooks of one tenant. Each event of a job is checked against all of them."""
FORMER_SECRET_SECONDS = 86400.0
"""How long the secret before the last rotation keeps signing."""
SECRET_BYTES = 32


@dataclass(frozen=True)
class Webhook:
    """A receiver, and the events that it subscribes to."""

    id: str
    url: str
    events: Sequence[str]
    disabled_reason: str | None
    created_at: datetime
    former_secret_until: datetime | None
    secret: str = field(repr=False)

    @classmethod
    def from_row(cls, row: Row[Any]) -> "Webhook":
        """Return the webhook that a row describes."""
        return cls(**{name: getattr(row, name) for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Delivery:
    """A message to a webhook, and its status."""

    id: str
    webhook_id: str
    job_id: str | None
    type: str
    status: DeliveryStatus
    attempt: int
    due_at: datetime | None
    status_code: int | None
    error: str | None
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def from_row(cls, row: Row[Any]) -> "Delivery":
        """Return the delivery that a row describes."""
        columns = {name: getattr(row, name) for name in cls.__dataclass_fields__}
        return cls(**columns | {"status": DeliveryStatus(row.status)})


class WebhookStore:
    """One tenant's webhooks. Every call is one transaction; other tenants' webhooks are not found."""

    def __init__(self, engine: Engine, *, tenant: str) -> None:
        self.engine = engine
        self.tenant = tenant
        self._is_own = webhooks.c.tenant == tenant

    def register(self, url: str, events: Sequence[WebhookEventType]) -> Webhook:
        """Store and return a new webhook, with its secret. Raises TooManyWebhooks."""
        row = {
            "id": _new_webhook_id(),
            "tenant": self.tenant,
            "url": url,
            "events": list(events),
            "secret": new_webhook_secret(),
        }
        with write_transaction(self.engine) as connection:
            if (connection.scalar(select(func.count()).where(self._is_own)) or 0) >= MOST_WEBHOOKS:
                raise TooManyWebhooks(f"There are {MOST_WEBHOOKS}")
            statement = insert(webhooks).values(**row, created_at=now()).returning(webhooks)
            return Webhook.from_row(connection.execute(statement).one())

    def webhook(self, webhook_id: str) -> Webhook:
        """Return the webhook. Raises WebhookNotFound."""
        with read_transaction(self.engine) as connection:
            return self._webhook(connection, webhook_id)

    def _webhook(self, connection: Connection, webhook_id: str) -> Webhook:
        query = select(webhooks).where(webhooks.c.id == webhook_id, self._is_own)
        return _require_webhook(connection.execute(query).one_or_none(), webhook_id)

    def webhooks(self, *, limit: int, after: str | None = None) -> list[Webhook]:
        """Return at most ``limit`` webhooks older than ``after``, newest first. Raises UnknownCursor."""
        with read_transaction(self.engine) as connection:
            query = select(webhooks).where(self._is_own, *_older_than(connection, webhooks, self._is_own, after=after))
            page = newest_first(query, webhooks, limit=limit)
            return [Webhook.from_row(row) for row in connection.execute(page)]

    def change(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        events: Sequence[WebhookEventType] | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """Change the webhook and return it. Raises WebhookNotFound.

        One that is enabled again gets the events from then on.
        """
        changes: dict[str, Any] = {"url": url, "events": events and list(events)}
        changes = {name: value for name, value in changes.items() if value is not None}
        changes |= {"disabled_reason": None} if enabled else {}
        with write_transaction(self.engine) as connection:
            webhook = self._webhook(connection, webhook_id)
            if enabled is False and webhook.disabled_reason is None:
                disable_webhook(connection, webhook_id, reason="disabled by its owner")
            return self._change(connection, webhook_id, **changes) if changes else self._webhook(connection, webhook_id)

    def _change(self, connection: Connection, webhook_id: str, **changes: Any) -> Webhook:
        statement = update(webhooks).where(webhooks.c.id == webhook_id, self._is_own).values(**changes)
        return _require_webhook(connection.execute(statement.returning(webhooks)).one_or_none(), webhook_id)

    def rotate(self, webhook_id: str) -> Webhook:
        """Give the webhook a new secret; the old one keeps signing for a day. Raises WebhookNotFound."""
        former = {"former_secret": webhooks.c.secret, "former_secret_until": now(FORMER_SECRET_SECONDS)}
        with write_transaction(self.engine) as connection:
            return self._change(connection, webhook_id, secret=new_webhook_secret(), **former)

    def delete(self, webhook_id: str) -> None:
        """Delete the webhook and its deliveries. Raises WebhookNotFound."""
        deletion = delete(webhooks).where(webhooks.c.id == webhook_id, self._is_own).returning(webhooks)
        with write_transaction(self.engine) as connection:
            _require_webhook(connection.execute(deletion).one_or_none(), webhook_id)

    def deliveries(
        self, webhook_id: str, *, limit: int, after: str | None = None, statuses: Sequence[DeliveryStatus] = ()
    ) -> list[Delivery]:
        """Return at most ``limit`` deliveries older than ``after``, newest first.

        Raises WebhookNotFound, UnknownCursor.
        """
        of_webhook = deliveries.c.webhook_id == webhook_id
        with read_transaction(self.engine) as connection:
            self._webhook(connection, webhook_id)
            conditions = [of_webhook, *_older_than(connection, deliveries, of_webhook, after=after)]
            page = newest_with_status(deliveries, *conditions, statuses=statuses or list(DeliveryStatus), limit=limit)
            return [Delivery.from_row(row) for row in connection.execute(page)]

    def ping(self, webhook_id: str) -> Delivery:
        """Enqueue a test message and return its delivery. Raises WebhookNotFound, WebhookDisabled."""
        with write_transaction(self.engine) as connection:
            self._require_enabled(connection, webhook_id)
            at = connection.execute(select(now())).scalar_one()
            row = new_delivery_row(webhook_id, PING, {"webhook_id": webhook_id}, at=at)
            return Delivery.from_row(connection.execute(insert(deliveries).values(row).returning(deliveries)).one())

    def redeliver(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Make the delivery due now, under its old id, and return it. One that has ended gets all its attempts again.

        Raises WebhookNotFound, WebhookDisabled, DeliveryNotFound.
        """
        is_pending = deliveries.c.status == DeliveryStatus.PENDING
        attempt = case((is_pending, deliveries.c.attempt), else_=0)
        changes = {"status": DeliveryStatus.PENDING, "due_at": now(), "finished_at": None, "attempt": attempt}
        which = (deliveries.c.id == delivery_id) & (deliveries.c.webhook_id == webhook_id)
        with write_transaction(self.engine) as connection:
            self._require_enabled(connection, webhook_id)
            row = connection.execute(
                update(deliveries).where(which).values(changes).returning(deliveries)
            ).one_or_none()
            if row is None:
                raise DeliveryNotFound(delivery_id)
            return Delivery.from_row(row)

    def _require_enabled(self, connection: Connection, webhook_id: str) -> None:
        locked = select(webhooks).where(webhooks.c.id == webhook_id, self._is_own).with_for_update(read=True)
        webhook = _require_webhook(connection.execute(locked).one_or_none(), webhook_id)
        if webhook.disabled_reason is not None:
            raise WebhookDisabled(webhook.disabled_reason)


def new_webhook_secret() -> str:
    """Return a new secret in the format of Standard Webhooks."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def _new_webhook_id() -> str:
    return f"wh_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(8)}"


def _require_webhook(row: Row[Any] | None, webhook_id: str) -> Webhook:
    if row is None:
        raise WebhookNotFound(webhook_id)
    return Webhook.from_row(row)


def _older_than(
    connection: Connection, table: Table, which: ColumnElement[bool], *, after: str | None
) -> Iterator[ColumnElement[bool]]:
    """The condition that a row is older than the row ``after``, one of ``which``; none without it.

    Raises UnknownCursor.
    """
    if after:
        query = select(table.c.created_at).where(which, table.c.id == after)
        created_at = connection.execute(query).scalar_one_or_none()
        if created_at is None:
            raise UnknownCursor(after, field="after")
        yield older(table, created_at=created_at, row_id=after)
