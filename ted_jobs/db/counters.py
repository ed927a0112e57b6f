"""Counters: most only grow, and outlive the jobs they count; two say how many jobs and deliveries there are now.

Counting is an insert, so two transactions that count the same thing never wait for each other; the sweeper compacts the
rows from time to time.
"""

from collections import Counter
from collections.abc import Mapping

from sqlalchemy import Connection, Engine, delete, func, insert, select

from ted_jobs.db.engine import read_transaction, write_transaction
from ted_jobs.db.tables import tallies

COUNTED_TWICE = select(tallies.c.counter).group_by(tallies.c.counter, tallies.c.kind).having(func.count() > 1).limit(1)

CounterKey = tuple[str, str]
"""What is counted, and of which kind, such as ("moves", "failed")."""

SUBMITTED = "submitted"
JOB_MOVES = "moves"
LEASE_EXPIRIES = "lease expiries"
FENCED = "fenced attempts"
ARTIFACTS_LOST = "artifacts lost"
PHASE_SECONDS = "phase seconds"
PHASES = "phases"
JOBS = "jobs"
DELIVERIES = "deliveries"
"""Of these two the kind is a status, and triggers count, so that no way to change or delete rows is forgotten."""


def increment_counter(connection: Connection, counter: str, kind: str = "", *, amount: float = 1) -> None:
    """Add to a counter, in the transaction of the change that is counted."""
    connection.execute(insert(tallies), {"counter": counter, "kind": kind, "amount": amount})


def counter_totals(connection: Connection) -> Mapping[CounterKey, float]:
    """Return the total of every counter; those that were never increased are missing."""
    sums = select(tallies.c.counter, tallies.c.kind, func.sum(tallies.c.amount))
    rows = connection.execute(sums.group_by(tallies.c.counter, tallies.c.kind))
    return {(counter, kind): amount for counter, kind, amount in rows}


def compact_counters(engine: Engine) -> int:
    """Replace the rows of each counter by their sum; return how many rows that saves."""
    with read_transaction(engine) as connection:  # an idle service writes nothing
        if connection.execute(COUNTED_TWICE).first() is None:
            return 0
    with write_transaction(engine) as connection:
        rows = connection.execute(delete(tallies).returning(tallies.c.counter, tallies.c.kind, tallies.c.amount)).all()
        sums: Counter[CounterKey] = Counter()
        for counter, kind, amount in rows:
            sums[counter, kind] += amount
        for (counter, kind), amount in sums.items():
            increment_counter(connection, counter, kind, amount=amount)
    return len(rows) - len(sums)
