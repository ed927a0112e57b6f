"""Names that tenants give to datasets and proxies, so that jobs need not spell them out."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import registrations
from ted_jobs.errors import NameTaken, NotRegistered, TooManyNames
from ted_jobs.jobs.models import JsonObject

RegistrationKind = Literal["dataset", "proxy"]
ID_PREFIXES: Mapping[RegistrationKind, str] = {"dataset": "ds", "proxy": "px"}
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Every name that can be registered. No other text ever reaches the database: PostgreSQL takes no NUL, for example."""
MOST_NAMES = 1000
"""Names of one kind for one tenant."""


@dataclass(frozen=True)
class Registration:
    """A name, and the part of a job's specification that it stands for, as JSON."""

    id: str
    kind: RegistrationKind
    name: str
    document: JsonObject
    facts: JsonObject
    """What was found when it was registered, such as a dataset's columns."""
    created_at: datetime


class RegistrationStore:
    """The API's view of the registrations table."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def add(
        self, kind: RegistrationKind, name: str, *, document: JsonObject, facts: JsonObject, tenant: str
    ) -> Registration:
        """Store and return a new registration. Raises NameTaken, TooManyNames."""
        values = {"id": f"{ID_PREFIXES[kind]}_{secrets.token_hex(14)}", "kind": kind, "name": name, "tenant": tenant}
        statement = insert(registrations).values(document=document, facts=facts, created_at=now(), **values)
        try:
            with write_transaction(self.engine) as connection:
                _check_name_quota(connection, kind, tenant)
                return _registration(connection.execute(statement.returning(registrations)).one())
        except IntegrityError:
            raise NameTaken(repr(name), field="name") from None

    def lookup(self, kind: RegistrationKind, name: str, *, tenant: str) -> Registration:
        """Return the registration with this name. Raises NotRegistered, also if it is another tenant's."""
        _check_name(name)
        with read_transaction(self.engine) as connection:
            query = select(registrations).where(*_registered_by(tenant, kind), registrations.c.name == name)
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotRegistered(repr(name[:100]))
        return _registration(row)

    def page(self, kind: RegistrationKind, *, tenant: str, after: str = "", limit: int) -> list[Registration]:
        """Return at most ``limit`` registrations whose names follow ``after``, sorted by name."""
        query = select(registrations).where(*_registered_by(tenant, kind), registrations.c.name > after)
        with read_transaction(self.engine) as connection:
            rows = connection.execute(query.order_by(registrations.c.name).limit(limit))
            return [_registration(row) for row in rows]

    def delete(self, kind: RegistrationKind, name: str, *, tenant: str) -> None:
        """Delete the name; jobs that used it keep what it stood for. Raises NotRegistered."""
        _check_name(name)
        deletion = delete(registrations).where(*_registered_by(tenant, kind), registrations.c.name == name)
        with write_transaction(self.engine) as connection:
            if not connection.execute(deletion).rowcount:
                raise NotRegistered(repr(name[:100]))


def _check_name(name: str) -> None:
    """Raise NotRegistered if nothing can be registered under this name."""
    if not NAME_PATTERN.fullmatch(name):
        raise NotRegistered(repr(name[:100]))


def _check_name_quota(connection: Connection, kind: RegistrationKind, tenant: str) -> None:
    count = connection.scalar(select(func.count()).where(*_registered_by(tenant, kind))) or 0
    if count >= MOST_NAMES:
        raise TooManyNames(f"There are {count}")


def _registered_by(tenant: str, kind: RegistrationKind) -> tuple[Any, ...]:
    return registrations.c.tenant == tenant, registrations.c.kind == kind


def _registration(row: Row[Any]) -> Registration:
    return Registration(**{name: getattr(row, name) for name in Registration.__dataclass_fields__})
