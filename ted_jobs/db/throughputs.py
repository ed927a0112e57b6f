"""How fast workers train proxies, so that a job's seconds can be estimated before any like it has run.

Every worker measures itself, and so does every job that it finishes, whosever it is. Only speed is kept of it: neither
tenant nor dataset, and of a model's name no more than a digest.
"""

import hashlib
from dataclasses import dataclass
from math import sqrt

from sqlalchemy import Connection, Engine, delete, insert, select, update

from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import throughputs

DAY = 86400.0
FRESH_DAYS = 7
"""For so long a worker need not measure itself again."""
KEPT_DAYS = 30
"""Workers that have measured nothing for so long are no longer estimated with."""


@dataclass(frozen=True)
class Throughput:
    """How fast a worker trains a proxy on inputs of one size."""

    worker: str
    """Which worker measured it: its host and its settings."""
    device: str
    """What it trains on, in words."""
    proxy: str
    model: str | None
    """The pretrained model that the proxy starts from."""
    input_size: int
    """How many numbers an input is; 0 for texts and conversations, which differ in length."""
    rows_per_second: float


def record(engine: Engine, measured: Throughput) -> None:
    """Store a throughput; the mean of it and what the same worker has measured before on the same device."""
    key = (
        (throughputs.c.worker == measured.worker)
        & (throughputs.c.proxy == measured.proxy)
        & (throughputs.c.model == _model_key(measured.model))
        & (throughputs.c.input_size == measured.input_size)
    )
    with write_transaction(engine) as connection:
        before = connection.execute(
            select(throughputs.c.device, throughputs.c.rows_per_second).where(key).with_for_update()
        ).one_or_none()
        if before is None:
            _insert(connection, measured)
        else:
            rate = measured.rows_per_second
            mean = sqrt(before.rows_per_second * rate) if before.device == measured.device else rate
            values = {"device": measured.device, "rows_per_second": mean, "measured_at": now()}
            connection.execute(update(throughputs).where(key).values(values))


def _insert(connection: Connection, measured: Throughput) -> None:
    values = vars(measured) | {"model": _model_key(measured.model), "measured_at": now()}
    connection.execute(insert(throughputs).values(values))


def recent(engine: Engine, *, proxy: str, model: str | None) -> list[Throughput]:
    """Return what workers have lately measured of the proxy with this model, ordered by device and input size."""
    wanted = (throughputs.c.proxy == proxy) & (throughputs.c.model == _model_key(model))
    query = select(throughputs).where(wanted, throughputs.c.measured_at > now(-KEPT_DAYS * DAY))
    with read_transaction(engine) as connection:
        rows = connection.execute(query.order_by(throughputs.c.device, throughputs.c.input_size)).all()
    return [Throughput(row.worker, row.device, row.proxy, model, row.input_size, row.rows_per_second) for row in rows]


def is_fresh(engine: Engine, worker: str, *, proxy: str) -> bool:
    """Return whether the worker has lately measured the proxy."""
    fresh = (throughputs.c.worker == worker) & (throughputs.c.proxy == proxy)
    query = select(throughputs.c.worker).where(fresh, throughputs.c.measured_at > now(-FRESH_DAYS * DAY)).limit(1)
    with read_transaction(engine) as connection:
        return connection.scalar(query) is not None


def delete_old(engine: Engine) -> int:
    """Delete what was measured too long ago to be estimated with; return how many."""
    with write_transaction(engine) as connection:
        old = throughputs.c.measured_at < now(-KEPT_DAYS * DAY)
        return connection.execute(delete(throughputs).where(old)).rowcount


def _model_key(model: str | None) -> str:
    """Return what is stored of a model's name, which may be a path; "" if there is none."""
    return hashlib.sha256(model.encode()).hexdigest() if model else ""
