"""The fault matrix, as the design has it: numbers, faults, and which of them every run of the tests tries."""

from dataclasses import dataclass

from tests.faults.faults import (
    Fault,
    answers_lost,
    broker_absent,
    broker_flushed,
    broker_hung,
    broker_restarted,
    checkpoint_damaged,
    clock_wrong,
    cut_short,
    database_crashed,
    events_unread,
    flip_a_byte,
    frozen_past_its_lease,
    hints_tenfold,
    killed,
    out_of,
    rolling_restart,
    small_disk,
    undisturbed,
    write_lock_held,
)
from tests.faults.points import CLAIMED, SENT
from tests.faults.service import ATTEMPT
from tests.servers.webhook_receivers import TAKEN_IN, Answer, after, dripping, endless, reset, status

BOTH, SQLITE, POSTGRESQL = ("sqlite", "postgresql"), ("sqlite",), ("postgresql",)

CONTENT, ROWS = "content_sha256", "indices_sha256"
"""After a want of memory batches are cut, so that sums are taken in another order: the rows stay, last bits do not."""


@dataclass(frozen=True)
class Row:
    """One line of the matrix."""

    number: int
    name: str
    fault: Fault
    databases: tuple[str, ...] = BOTH
    agrees: str = CONTENT
    """The digest in which the results agree with those of undisturbed runs."""
    always: tuple[str, ...] = ()
    """The databases with which it is tried in every run, not only on demand."""
    answers: tuple[Answer, ...] = (TAKEN_IN,)
    """What the receiver of a webhook says, one after the other; every row has one that hears how its jobs end."""

    def __str__(self) -> str:
        return f"{self.number}: {self.name}"


def kills(victim: str, *points: str, always: tuple[str, ...] = ()) -> list[Row]:
    """kill -9 of one process at several points; the first of them always where asked for."""
    first, *others = [Row(1, f"kill -9 of the {victim}, {at}", killed(victim, at=at)) for at in points]
    return [Row(1, first.name, first.fault, always=always), *others]


def hears(name: str, *answers: Answer) -> Row:
    """Jobs whose ends are told to a receiver that answers so before it takes them in."""
    return Row(11, f"webhook's receiver {name}", undisturbed, answers=(*answers, TAKEN_IN))


METADATA = "http://169.254.169.254/"
WORKER_POINTS = ("after rename", "after claim", "mid-round", "before rename", "after commit")

MATRIX = (
    *kills("runner", "mid-round", "after a round", always=SQLITE),
    *kills("Celery child", *WORKER_POINTS),
    *kills("Celery parent", *WORKER_POINTS, always=POSTGRESQL),
    *kills("API", "after the submission commits", "before the submission commits", "mid-round"),
    *kills("sweeper", "hint sent, not yet recorded", "mid-round", always=POSTGRESQL),
    Row(2, "zombie writer, mid-round", frozen_past_its_lease(at="mid-round")),
    Row(2, "zombie writer, before rename", frozen_past_its_lease(at="before rename")),
    Row(2, "zombie writer, after rename", frozen_past_its_lease(at="after rename"), always=POSTGRESQL),
    Row(3, "broker restarted, with its data", broker_restarted(keeps_its_data=True)),
    Row(3, "broker restarted, without its data", broker_restarted(keeps_its_data=False), always=SQLITE),
    Row(3, "FLUSHALL", broker_flushed),
    Row(4, "broker hung for 30 s", broker_hung),
    Row(5, "broker absent during submissions", broker_absent),
    Row(6, "PostgreSQL crashed and started again", database_crashed, POSTGRESQL, always=POSTGRESQL),
    Row(6, "SQLite's write lock held for two leases", write_lock_held, SQLITE, always=SQLITE),
    Row(7, "disk full half-way through publishing", out_of("disk full", at="before rename")),
    Row(7, "no room for artifacts", small_disk("artifacts")),
    Row(7, "no room for the runner's files", small_disk("work")),
    Row(8, "memory refused in mid-round", out_of("memory", at="mid-round"), agrees=ROWS),
    Row(9, "ten hints for each job, and hints for ended ones", hints_tenfold),
    Row(10, "answers lost, requests repeated", answers_lost),
    hears("is slow", after(ATTEMPT + 1, TAKEN_IN), dripping),
    hears("fails, hangs up, redirects", status(500), reset, status(302, Location=METADATA), status(503)),
    hears("answers without an end", endless),
    Row(11, "a hundred ask for events and read none", events_unread),
    Row(11, "kill -9 of the sweeper, message sent, not yet recorded", killed("sweeper", at=SENT), always=SQLITE),
    Row(11, "kill -9 of the sweeper, message claimed, not yet sent", killed("sweeper", at=CLAIMED)),
    Row(12, "rolling restart under load", rolling_restart),
    Row(13, "newest checkpoint altered", checkpoint_damaged(flip_a_byte)),
    Row(13, "newest checkpoint cut short", checkpoint_damaged(cut_short)),
    Row(14, "worker's clock an hour ahead", clock_wrong("worker", hours=1)),
    Row(14, "worker's clock an hour behind", clock_wrong("worker", hours=-1)),
    Row(14, "sweeper's clock an hour ahead", clock_wrong("sweeper", hours=1)),
    Row(14, "sweeper's clock an hour behind", clock_wrong("sweeper", hours=-1)),
    Row(14, "API's clock an hour ahead", clock_wrong("api", hours=1)),
    Row(14, "API's clock an hour behind", clock_wrong("api", hours=-1)),
)
