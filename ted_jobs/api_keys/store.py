"""Keys: whose jobs a client sees, what it may do with them, and how much. Of their texts a keyed hash is stored."""

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
"""How exact ``last_used_at`` is. More would be a write for every request."""


class Scope(StrEnum):
    """What a key is good for; each implies those before it."""

    READ = "read"
    """See jobs and all that belongs to them."""
    SUBMIT = "submit"
    """Submit, cancel, repeat and delete jobs; register names and webhooks."""
    ADMIN = "admin"
    """Everything, whatever the API may learn to do."""

    @property
    def implied(self) -> frozenset["Scope"]:
        """The scope itself and those before it."""
        order = list(Scope)
        return frozenset(order[: order.index(self) + 1])


@dataclass(frozen=True)
class NewApiKey:
    """What a key is to be. A limit of 0 is none; None is what the settings say."""

    tenant: str = "default"
    name: str = ""
    scopes: Sequence[Scope] = (Scope.ADMIN,)
    most_queued: int | None = None
    most_running: int | None = None
    requests_per_minute: int | None = None
    expires_days: float | None = None


@dataclass(frozen=True)
class ApiKey:
    """One row of the keys table, but for the digest. Times are UTC, by the database's clock."""

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
        """The key that a full row of the keys table describes."""
        columns = {name: getattr(row, name) for name in cls.__dataclass_fields__}
        # A newer version may know more scopes; what they are good for, this one does not do.
        return cls(**columns | {"scopes": frozenset(Scope(name) for name in row.scopes if name in set(Scope))})

    def has_scope(self, scope: Scope) -> bool:
        """Whether one of the key's scopes is this one or implies it."""
        return any(scope in own.implied for own in self.scopes)


@dataclass(frozen=True)
class ValidKey:
    """A key that is valid now, and whether its use should be noted."""

    key: ApiKey
    use_unrecorded: bool


USE_UNRECORDED = or_(keys.c.last_used_at.is_(None), keys.c.last_used_at < now(-LAST_USED_PRECISION_SECONDS))
VALID = keys.c.revoked_at.is_(None) & or_(keys.c.expires_at.is_(None), keys.c.expires_at > now())
# A search of the index for a keyed hash: how long it takes tells of the hash, which without the secret tells nothing of
# the key. So no comparison of texts is left whose time could be measured.
VALID_KEY_BY_DIGEST = select(keys, case((USE_UNRECORDED, 1), else_=0).label("unnoted")).where(
    keys.c.digest == bindparam("digest"), VALID
)


class ApiKeyStore:
    """All that is known of keys."""

    def __init__(self, engine: Engine, *, secret: bytes) -> None:
        self.engine, self._secret = engine, secret

    def create(self, wish: NewApiKey) -> tuple[ApiKey, str]:
        """The new key and its text, which cannot be had a second time."""
        text = key_text.new_key_text()
        row = {
            "id": f"key_{secrets.token_hex(8)}",
            "tenant": wish.tenant,
            "name": wish.name,
            "digest": self.digest(text),
            "scopes": [str(scope) for scope in wish.scopes],
            "most_queued": wish.most_queued,
            "most_running": wish.most_running,
            "requests_per_minute": wish.requests_per_minute,
            "created_at": now(),
            "expires_at": None if wish.expires_days is None else now(wish.expires_days * DAY),
        }
        with write_transaction(self.engine) as connection:
            return ApiKey.from_row(connection.execute(insert(keys).values(**row).returning(keys)).one()), text

    def digest(self, text: str) -> str:
        """What is stored of a key's text."""
        return key_text.key_digest(text, self._secret)

    def valid_key(self, digest: str) -> ValidKey | None:
        """The key with this digest, unless there is none, it is revoked, or it has expired."""
        with read_transaction(self.engine) as connection:
            row = connection.execute(VALID_KEY_BY_DIGEST, {"digest": digest}).one_or_none()
        return ValidKey(ApiKey.from_row(row), bool(row.unnoted)) if row else None

    def record_use(self, key_id: str) -> None:
        """Remember that the key was used just now, where that was not noted a moment ago."""
        with write_transaction(self.engine) as connection:
            connection.execute(update(keys).where(keys.c.id == key_id, USE_UNRECORDED).values(last_used_at=now()))

    def all(self) -> list[ApiKey]:
        """Every key there has been, the oldest first."""
        with read_transaction(self.engine) as connection:
            return [
                ApiKey.from_row(row) for row in connection.execute(select(keys).order_by(keys.c.created_at, keys.c.id))
            ]

    def revoke(self, key_id: str) -> ApiKey:
        """The key, revoked now or before. Raises KeyNotFound."""
        revoked = func.coalesce(keys.c.revoked_at, now(), type_=keys.c.revoked_at.type)
        statement = update(keys).where(keys.c.id == key_id).values(revoked_at=revoked).returning(keys)
        with write_transaction(self.engine) as connection:
            row = connection.execute(statement).one_or_none()
        if row is None:
            raise KeyNotFound(key_id)
        return ApiKey.from_row(row)
