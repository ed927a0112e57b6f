"""The fault matrix: numbers, faults, and which of them every run of the tests tries."""

from dataclasses import dataclass

from tests.faults.environment.clocks import DATABASE, MACHINE, jump_clock
from tests.faults.environment.disks import make_read_only, move_datasets_away, touch_datasets
from tests.faults.environment.memory import run_out_of_memory
from tests.faults.failpoints import CLAIMED, OTHER_RANK, SENT, WOKEN_UP
from tests.faults.faults import (
    ROUNDS,
    Fault,
    crash_database,
    damage_checkpoint,
    exhaust,
    flip_a_byte,
    flush_broker,
    freeze_leader,
    freeze_past_lease,
    freeze_runner,
    hang_broker,
    hold_write_lock,
    kill,
    kill_leader,
    kill_publishing_sweeper,
    leave_events_unread,
    lose_responses,
    restart_broker,
    restart_database,
    restart_in_turn,
    shift_clock,
    shrink_disk,
    submit_undisturbed,
    submit_without_broker,
    sweep_twice,
    truncate,
    wake_up_tenfold,
)
from tests.faults.ranks import first_rank, kill_rank, other_rank, run_rank_out_of_memory
from tests.faults.service import ATTEMPT
from tests.servers.webhook_receivers import ACCEPTED, Responder, after, dripping, endless, reset, status

BOTH, SQLITE, POSTGRESQL = ("sqlite", "postgresql"), ("sqlite",), ("postgresql",)

CONTENT, ROWS = "content_sha256", "indices_sha256"
"""The digests to compare. After memory has run out, batches are cut and sums are taken in another order: the rows stay
the same, the last bits do not."""


@dataclass(frozen=True)
class MatrixRow:
    """One line of the matrix."""

    number: int
    name: str
    fault: Fault
    databases: tuple[str, ...] = BOTH
    agrees: str = CONTENT
    """The digest in which the results agree with those of undisturbed runs."""
    always: tuple[str, ...] = ()
    """The databases with which it is tried in every run, not only on demand."""
    answers: tuple[Responder, ...] = (ACCEPTED,)
    """What the webhook's receiver answers, one after the other; every row has a receiver for the ends of its jobs."""

    def __str__(self) -> str:
        return f"{self.number}: {self.name}"


def kills(victim: str, *points: str, always: tuple[str, ...] = ()) -> list[MatrixRow]:
    """Return a row for ``kill -9`` of one process at each of several points; ``always`` applies to the first."""
    first, *others = [MatrixRow(1, f"kill -9 of the {victim}, {at}", kill(victim, at=at)) for at in points]
    return [MatrixRow(1, first.name, first.fault, always=always), *others]


def webhook_row(name: str, *answers: Responder) -> MatrixRow:
    """Return a row in which a receiver of the jobs' ends gives these answers before it accepts them."""
    return MatrixRow(11, f"webhook's receiver {name}", submit_undisturbed, answers=(*answers, ACCEPTED))


METADATA = "http://169.254.169.254/"
WORKER_POINTS = ("after rename", "after claim", "mid-round", "before rename", "after commit")

MATRIX = (
    *kills("runner", "mid-round", "after a round", always=SQLITE),
    *kills("Celery child", *WORKER_POINTS),
    *kills("Celery parent", *WORKER_POINTS, always=POSTGRESQL),
    *kills("API", "after the submission commits", "before the submission commits", WOKEN_UP, "mid-round"),
    MatrixRow(1, f"kill -9 of the sweeper, {WOKEN_UP}", kill_publishing_sweeper),
    *kills("sweeper", "mid-round"),
    MatrixRow(2, "zombie writer, mid-round", freeze_past_lease(at="mid-round")),
    MatrixRow(2, "zombie writer, before rename", freeze_past_lease(at="before rename")),
    MatrixRow(2, "zombie writer, after rename", freeze_past_lease(at="after rename"), always=POSTGRESQL),
    MatrixRow(3, "broker restarted, with its data", restart_broker(keeps_its_data=True)),
    MatrixRow(3, "broker restarted, without its data", restart_broker(keeps_its_data=False), always=SQLITE),
    MatrixRow(3, "FLUSHALL", flush_broker),
    MatrixRow(4, "broker hung for 30 s", hang_broker),
    MatrixRow(5, "broker absent during submissions", submit_without_broker),
    MatrixRow(6, "PostgreSQL crashed and started again", crash_database, POSTGRESQL, always=POSTGRESQL),
    MatrixRow(6, "PostgreSQL stopped and started again", restart_database, POSTGRESQL),
    MatrixRow(6, "SQLite's write lock held for two leases", hold_write_lock, SQLITE),
    MatrixRow(7, "disk full half-way through publishing", exhaust("disk full", at="before rename")),
    MatrixRow(7, "no room for artifacts", shrink_disk("artifacts")),
    MatrixRow(7, "no room for the runner's files", shrink_disk("work")),
    MatrixRow(7, "artifacts read-only, in mid-round", make_read_only("artifacts", at="after a round")),
    MatrixRow(7, "artifacts read-only, half-way through publishing", make_read_only("artifacts", at="before rename")),
    MatrixRow(7, "runner's files read-only, in mid-round", make_read_only("work", at="after a round")),
    MatrixRow(8, "memory refused in mid-round", exhaust("memory", at="mid-round"), agrees=ROWS),
    MatrixRow(9, "ten wake-ups for each job, and some for ended ones", wake_up_tenfold),
    MatrixRow(10, "answers lost, requests repeated", lose_responses),
    webhook_row("is slow", after(ATTEMPT + 1, ACCEPTED), dripping),
    webhook_row("fails, hangs up, redirects", status(500), reset, status(302, Location=METADATA), status(503)),
    webhook_row("answers without an end", endless),
    MatrixRow(11, "a hundred ask for events and read none", leave_events_unread),
    MatrixRow(11, "kill -9 of the sweeper, message sent, not yet recorded", kill("sweeper", at=SENT), always=SQLITE),
    MatrixRow(11, "kill -9 of the sweeper, message claimed, not yet sent", kill("sweeper", at=CLAIMED)),
    MatrixRow(12, "rolling restart under load", restart_in_turn),
    MatrixRow(13, "datasets away for a second", move_datasets_away(at="after a round", times=ROUNDS, seconds=1)),
    MatrixRow(13, "datasets touched in mid-round", touch_datasets(at="mid-round")),
    MatrixRow(13, "newest checkpoint altered", damage_checkpoint(flip_a_byte)),
    MatrixRow(13, "newest checkpoint cut short", damage_checkpoint(truncate)),
    MatrixRow(14, "worker's clock an hour ahead", shift_clock("worker", hours=1)),
    MatrixRow(14, "worker's clock an hour behind", shift_clock("worker", hours=-1)),
    MatrixRow(14, "sweeper's clock an hour ahead", shift_clock("sweeper", hours=1)),
    MatrixRow(14, "sweeper's clock an hour behind", shift_clock("sweeper", hours=-1)),
    MatrixRow(14, "API's clock an hour ahead", shift_clock("api", hours=1)),
    MatrixRow(14, "API's clock an hour behind", shift_clock("api", hours=-1)),
    MatrixRow(14, "machine's clock jumps an hour ahead", jump_clock(*MACHINE, hours=1)),
    MatrixRow(14, "machine's clock jumps an hour back", jump_clock(*MACHINE, hours=-1)),
    MatrixRow(14, "PostgreSQL's clock jumps an hour ahead", jump_clock(DATABASE, hours=1), POSTGRESQL),
    MatrixRow(14, "PostgreSQL's clock jumps an hour back", jump_clock(DATABASE, hours=-1), POSTGRESQL),
    MatrixRow(15, "two sweepers at once", sweep_twice),
    MatrixRow(15, "two sweepers, kill -9 of the one that leads", kill_leader),
    MatrixRow(15, "two sweepers, the one that leads frozen", freeze_leader),
    MatrixRow(16, "runner over the memory of its control group", run_out_of_memory, agrees=ROWS),
    MatrixRow(17, "runner frozen", freeze_runner),
    MatrixRow(18, "two ranks, the other one killed", kill_rank(other_rank), always=SQLITE),
    MatrixRow(18, "two ranks, the runner killed", kill_rank(first_rank)),
    MatrixRow(18, "two ranks, memory refused to the other one", run_rank_out_of_memory(OTHER_RANK), agrees=ROWS),
)
