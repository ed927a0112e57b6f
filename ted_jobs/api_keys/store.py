"""API keys: which jobs a client sees, what it may do with them, and how much. Only a keyed hash of each is stored."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, Row, bindparam, case, func, insert, or_, select, update

from ted_jobs.api_keys import text as key_text
from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import keys
from ted_jobs.errors import KeyNotFound

DAY = 86400.0
LAST_USED_PRECISION_SECONDS = 60.0
"""The precision of ``last_used_at``. A higher one would cost a write for every request."""


class Scope(StrEnum):
    """What a key may be used for; each scope implies those before it."""

    READ = "read"
    """Read jobs and everything that belongs to them."""
    SUBMIT = "submit"
    """Submit, cancel, repeat and delete jobs; register names and webhooks."""
    ADMIN = "admin"
    """Everything, including what later versions add."""

    @property
    def implied(self) -> frozenset["Scope"]:
        """Return the scope itself and those before it."""
        order = list(Scope)
        return frozenset(order[: order.index(self) + 1])


@dataclass(frozen=True)
class NewApiKey:
    """A key to be created. A limit of 0 means unlimited, None the limit of the settings."""

    tenant: str = "default"
    name: str = ""
    scopes: Sequence[Scope] = (Scope.ADMIN,)
    most_queued: int | None = None
    most_running: int | None = None
    requests_per_minute: int | None = None
    expires_days: float | None = None


@dataclass(frozen=True)
class ApiKey:
    """One row of the keys table without its digest. Times are UTC, by the database's clock."""

    id: str
    tenant: str
    name: str
    scopes: frozenset[Scope]
    most_queued: int | None
    most_running: int | None
    requests_per_minute: int | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def from_row(cls, row: Row[Any]) -> "ApiKey":
        """Return the key that a full row of the keys table describes."""
        columns = {name: getattr(row, name) for name in cls.__dataclass_fields__}
        # A newer version may have added scopes; they grant nothing here.
        return cls(**columns | {"scopes": frozenset(Scope(name) for name in row.scopes if name in set(Scope))})

    def has_scope(self, scope: Scope) -> bool:
        """Return whether one of the key's scopes is this one or implies it."""
        return any(scope in own.implied for own in self.scopes)


@dataclass(frozen=True)
class ValidKey:
    """A key that is valid now, and whether its use should be noted."""

    key: ApiKey
    use_unrecorded: bool


USE_UNRECORDED = or_(keys.c.last_used_at.is_(None), keys.c.last_used_at < now(-LAST_USED_PRECISION_SECONDS))
VALID = keys.c.revoked_at.is_(None) & or_(keys.c.expires_at.is_(None), keys.c.expires_at > now())
# The time of an index search reveals something about the hash, which without the secret reveals nothing about the key.
# So there is no comparison of key texts whose time could be measured.
VALID_KEY_BY_DIGEST = select(keys, case((USE_UNRECORDED, 1), else_=0).label("unnoted")).where(
    keys.c.digest == bindparam("digest"), VALID
)


class ApiKeyStore:
    """The API keys in the database."""

    def __init__(self, engine: Engine, *, secret: bytes) -> None:
        self.engine = engine
        self._secret = secret

    def create(self, new_key: NewApiKey) -> tuple[ApiKey, str]:
        """Store and return a new key, with its text, which cannot be recovered later."""
        text = key_text.new_key_text()
        row = {
            "id": f"key_{secrets.token_hex(8)}",
            "tenant": new_key.tenant,
            "name": new_key.name,
            "digest": self.digest(text),
            "scopes": [str(scope) for scope in new_key.scopes],
            "most_queued": new_key.most_queued,
            "most_running": new_key.most_running,
            "requests_per_minute": new_key.requests_per_minute,
            "created_at": now(),
            "expires_at": None if new_key.expires_days is None else now(new_key.expires_days * DAY),
        }
        with write_transaction(self.engine) as connection:
            return ApiKey.from_row(connection.execute(insert(keys).values(**row).returning(keys)).one()), text

    def digest(self, text: str) -> str:
        """Return the keyed hash of a key's text, which is what is stored."""
        return key_text.key_digest(text, self._secret)

    def valid_key(self, digest: str) -> ValidKey | None:
        """Return the key with this digest; None if there is none, or it is revoked or expired."""
        with read_transaction(self.engine) as connection:
            row = connection.execute(VALID_KEY_BY_DIGEST, {"digest": digest}).one_or_none()
        return ValidKey(ApiKey.from_row(row), bool(row.unnoted)) if row else None

    def record_use(self, key_id: str) -> None:
        """Record that the key was used now, unless that was recorded a moment ago."""
        with write_transaction(self.engine) as connection:
            connection.execute(update(keys).where(keys.c.id == key_id, USE_UNRECORDED).values(last_used_at=now()))

    def all(self) -> list[ApiKey]:
        """Return every key, including revoked and expired ones, the oldest first."""
        query = select(keys).order_by(keys.c.created_at, keys.c.id)
        with read_transaction(self.engine) as connection:
            return [ApiKey.from_row(row) for row in connection.execute(query)]

    def revoke(self, key_id: str) -> ApiKey:
        """Revoke the key, unless it already is, and return it. Raises KeyNotFound."""
        revoked = func.coalesce(keys.c.revoked_at, now(), type_=keys.c.revoked_at.type)
        statement = update(keys).where(keys.c.id == key_id).values(revoked_at=revoked).returning(keys)
        with write_transaction(self.engine) as connection:
            row = connection.execute(statement).one_or_none()
        if row is None:
            raise KeyNotFound(key_id)
        return ApiKey.from_row(row)
