"""All faults, each as a function: which jobs are submitted, what is done to the service meanwhile, and how it recovers.

A fault takes the :class:`FaultContext`, submits jobs through its driver, does its damage, and leaves every process
running again.
"""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import Engine, select

from ted_jobs.db.engine import read_transaction, write_transaction
from ted_jobs.db.tables import checkpoints, deliveries, leaders
from ted_jobs.queue.celery import celery_app, notify
from ted_jobs.webhooks.deliveries import DeliveryStatus
from tests.faults.cluster import Cluster
from tests.faults.driver import Driver, Promise
from tests.faults.failpoints import WOKEN_UP
from tests.faults.outcome import job_histories, unfinished
from tests.faults.service import HEARTBEAT, LEASE, Service
from tests.servers.stacks import until

SEEDS = (0, 1)
"""Of a job that runs and one that waits; a fault that concerns only running jobs submits the first."""
ROUNDS = 3
HUNG_SECONDS, HOUR = 30, 3600
UNREAD = 100
SMALL_DISK = "4k"


@dataclass(frozen=True)
class FaultContext:
    """What a fault may touch."""

    service: Service
    driver: Driver
    engine: Engine
    cluster: Cluster | None

    def settled(self) -> bool:
        """Say whether every job has ended."""
        return unfinished(self.engine) == 0

    def all_delivered(self) -> bool:
        """Say whether no message to a webhook waits."""
        waiting = deliveries.c.status == DeliveryStatus.PENDING
        with read_transaction(self.engine) as connection:
            return connection.scalar(select(deliveries.c.id).where(waiting).limit(1)) is None


Fault = Callable[[FaultContext], None]

# --- 1: kill -9 -------------------------------------------------------------------------------------------------------


VICTIMS: dict[str, Callable[[Service, psutil.Process], None]] = {
    "runner": lambda _, there: there.kill(),
    "Celery child": lambda service, there: _supervisor(service, there).kill(),
    "Celery parent": lambda service, _: service.kill("worker"),
    "API": lambda service, _: service.kill("api"),
    "sweeper": lambda service, _: service.kill("sweeper"),
}


def kill(victim: str, *, at: str) -> Fault:
    """Kill one process while a job is at this point; whatever was suspended there resumes."""

    def inject(context: FaultContext) -> None:
        with suspended_at(context, at) as there:
            VICTIMS[victim](context.service, there)
            context.service.mark_fault()
        context.service.start_missing()

    return inject


def kill_publishing_sweeper(context: FaultContext) -> None:
    """Kill the sweeper when it has sent a wake-up in place of the API, which is suspended before it can."""
    context.service.arm(WOKEN_UP)
    with suspended_at(context, "after the submission commits"):
        context.service.reached(WOKEN_UP)
        context.service.kill("sweeper")
        context.service.mark_fault()
    context.service.start_missing()


def _supervisor(service: Service, there: psutil.Process) -> psutil.Process:
    """Return Celery's child, given that it or its runner is at the point."""
    return there.parent() or there if there in service.runners() else there


@contextmanager
def suspended_at(
    context: FaultContext, at: str, seeds: Sequence[int] = SEEDS[:1], *, times: int = 1
) -> Iterator[psutil.Process]:
    """Submit jobs; for the length of the block one is suspended at the point, having got there so many times."""
    context.service.arm(at)
    context.driver.begin(seeds)
    there = context.service.reached(at)
    for _ in range(times - 1):
        time.sleep(2 * HEARTBEAT)  # its messages are read
        context.service.arm(at)
        there.resume()
        there = context.service.reached(at)
    yield there
    _resume(there)


def _resume(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):  # it may be the one that was killed
        process.resume()


# --- 2: zombie writer -------------------------------------------------------------------------------------------------


def freeze_past_lease(*, at: str) -> Fault:
    """Suspend a worker beyond its lease, resume it when another has done its work, and let it try to write."""

    def inject(context: FaultContext) -> None:
        lost_before = context.service.log("worker").count("lease lost")
        with suspended_at(context, at) as there:
            supervisor = _supervisor(context.service, there)
            supervisor.suspend()
            context.service.mark_fault()
            context.service.start("second worker")
            context.driver.promises()
            until(context.settled)
            supervisor.resume()
        until(lambda: context.service.log("worker").count("lease lost") > lost_before)
        context.service.stop("second worker")

    return inject


# --- 3, 4, 5: the broker ----------------------------------------------------------------------------------------------


def restart_broker(*, keeps_its_data: bool) -> Fault:
    """Kill the broker while one job runs and another's wake-up waits in it."""

    def inject(context: FaultContext) -> None:
        with suspended_at(context, "mid-round", SEEDS):
            context.driver.promises()
            context.service.kill("broker")
            if not keeps_its_data:
                context.service.lose_broker_data()
            context.service.mark_fault()
            context.service.start_missing()

    return inject


def flush_broker(context: FaultContext) -> None:
    """Send FLUSHALL while one job runs and another's wake-up waits."""
    with suspended_at(context, "mid-round", SEEDS):
        context.driver.promises()
        context.service.flush_broker()
        context.service.mark_fault()


def hang_broker(context: FaultContext) -> None:
    """Let the broker accept connections and answer nothing, for half a minute."""
    broker = context.service.process("broker")
    broker.suspend()
    context.driver.submit(SEEDS)
    time.sleep(HUNG_SECONDS)
    broker.resume()
    context.service.mark_fault()


def submit_without_broker(context: FaultContext) -> None:
    """Submit jobs while there is no broker."""
    context.service.kill("broker")
    context.driver.submit(SEEDS)
    context.service.start_missing()
    context.service.mark_fault()


# --- 6: the database --------------------------------------------------------------------------------------------------


def crash_database(context: FaultContext) -> None:
    """End the server without a checkpoint and start it again, while a job runs and others are submitted."""
    assert context.cluster
    with suspended_at(context, "after a round"):
        context.cluster.crash()
        context.driver.begin(SEEDS[1:])
        time.sleep(LEASE / 2)
        context.cluster.start()
        context.service.mark_fault()


def restart_database(context: FaultContext) -> None:
    """Stop the server in order and start it again, while a job runs and others are submitted."""
    assert context.cluster
    with suspended_at(context, "after a round"):
        context.cluster.stop()
        context.driver.begin(SEEDS[1:])
        time.sleep(LEASE / 2)
        context.cluster.start()
        context.service.mark_fault()


def hold_write_lock(context: FaultContext) -> None:
    """Hold SQLite's write lock for longer than a lease, while a job runs and others are submitted."""
    with suspended_at(context, "after a round"), write_transaction(context.engine):
        context.driver.begin(SEEDS[1:])
        time.sleep(2 * LEASE)
    context.service.mark_fault()


# --- 7, 8: resources --------------------------------------------------------------------------------------------------


def exhaust(resource: str, *, at: str) -> Fault:
    """Let the kernel refuse what a process asks for at this point: ENOSPC or ENOMEM."""

    def inject(context: FaultContext) -> None:
        context.service.arm(at, resource)
        context.driver.begin(SEEDS[:1])
        context.service.reached(at)
        context.service.mark_fault()

    return inject


def shrink_disk(folder: str) -> Fault:
    """Put a folder of the service on a file system with hardly any room, until one attempt has failed."""

    def inject(context: FaultContext) -> None:
        path = context.service.home / folder
        path.mkdir(exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(path)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            raise NotPossibleHere("only root may mount a file system")
        try:
            jobs = context.driver.submit(SEEDS[:1])
            until(lambda: any("disk" in status_reason(context, job) for job in jobs))
        finally:
            subprocess.run(["umount", "--lazy", str(path)], check=True)  # noqa: S607 - wherever it lies
        context.service.mark_fault()

    return inject


def status_reason(context: FaultContext, job: Promise) -> str:
    """Return why the job waits or has ended, if that has been said."""
    return job_histories(context.engine)[job.job_id].row.status_reason or ""


class NotPossibleHere(Exception):
    """This machine does not let the fault happen."""


# --- 9, 10: repetition -----------------------------------------------------------------------------------------------


def wake_up_tenfold(context: FaultContext) -> None:
    """Send ten wake-ups for every job, and another when it has ended."""
    app = celery_app(context.service.settings)
    jobs = context.driver.submit(SEEDS)
    for _ in range(10):
        for job in jobs:
            notify(app, job.job_id)
    until(context.settled)
    context.service.mark_fault()
    for job in jobs:
        notify(app, job.job_id)


def lose_responses(context: FaultContext) -> None:
    """Disconnect before the response is read, and repeat the request under the same key."""
    for seed in SEEDS:
        context.driver.submit_without_reading(seed)
    context.service.mark_fault()


# --- 11: listeners ----------------------------------------------------------------------------------------------------


def submit_undisturbed(context: FaultContext) -> None:
    """Do nothing to the service: the fault is its webhook's receiver."""
    context.driver.submit(SEEDS)
    context.service.mark_fault()


def leave_events_unread(context: FaultContext) -> None:
    """Request a running job's events many times and read none of them; a client that reads sees the job's end."""
    with ExitStack() as unread:
        with suspended_at(context, "mid-round"):
            (job,) = context.driver.promises()
            for _ in range(UNREAD):
                unread.enter_context(context.driver.open_unread_events(job))
            context.service.mark_fault()
        *_, last = context.driver.client.follow(job.job_id)
        assert last["type"] == "job.succeeded"


# --- 12, 14: operators ------------------------------------------------------------------------------------------------


def restart_in_turn(context: FaultContext) -> None:
    """Stop every process and start it again, one after the other, while jobs arrive and run."""
    with suspended_at(context, "mid-round"):
        pass
    for name in ("api", "sweeper", "worker", "broker"):
        context.driver.begin(SEEDS[:1])
        context.service.stop(name)
        context.service.start(name)
    context.service.mark_fault()


def shift_clock(name: str, *, hours: int) -> Fault:
    """Set the clock of one process wrong by so many hours."""

    def inject(context: FaultContext) -> None:
        context.service.stop(name)
        context.service.start(name, clock_shift=hours * HOUR)
        context.service.mark_fault()
        context.driver.submit(SEEDS[:1])
        until(context.settled)
        context.service.stop(name)
        context.service.start(name)

    return inject


# --- 15: two sweepers -------------------------------------------------------------------------------------------------

SWEEPERS = ("sweeper", "second sweeper")


def sweep_twice(context: FaultContext) -> None:
    """Have two sweepers run while jobs arrive and run."""
    with _second_sweeper(context):
        context.driver.submit(SEEDS)
        context.service.mark_fault()
        until(context.settled)


def kill_leader(context: FaultContext) -> None:
    """Kill the sweeper that leads, and submit jobs while the other takes the lead."""
    with _second_sweeper(context):
        context.service.kill(_leader(context))
        context.service.mark_fault()
        context.driver.submit(SEEDS)
        until(context.settled)


def freeze_leader(context: FaultContext) -> None:
    """Suspend the sweeper that leads, in the middle of a task; submit a job; resume it when all is done."""
    with _second_sweeper(context), _suspended_sweeper(context):
        until(context.settled)
        context.service.mark_fault()
        context.driver.submit(SEEDS[1:])
        until(context.settled)


@contextmanager
def _suspended_sweeper(context: FaultContext) -> Iterator[None]:
    """For the length of the block, the sweeper is suspended that has woken a worker up before the API could."""
    context.service.arm(WOKEN_UP)
    with suspended_at(context, "after the submission commits"):
        there = context.service.reached(WOKEN_UP)
    yield
    _resume(there)


@contextmanager
def _second_sweeper(context: FaultContext) -> Iterator[None]:
    """Run two sweepers for the length of the block, and the usual one afterwards."""
    ready_before = context.service.log(SWEEPERS[1]).count("sweeper ready")
    context.service.start(SWEEPERS[1])
    until(lambda: context.service.log(SWEEPERS[1]).count("sweeper ready") > ready_before)
    yield
    context.service.stop(SWEEPERS[1])
    context.service.start_missing()


def _leader(context: FaultContext) -> str:
    """Return the name of the process that leads."""
    until(lambda: _leading(context) is not None)
    return _leading(context) or ""


def _leading(context: FaultContext) -> str | None:
    with read_transaction(context.engine) as connection:
        holder = connection.scalar(select(leaders.c.holder)) or ""
    return next((name for name in SWEEPERS if holder.endswith(f":{context.service.process(name).pid}")), None)


# --- 17: a runner that shows no sign of life --------------------------------------------------------------------------

STALL_SECONDS = 2


def freeze_runner(context: FaultContext) -> None:
    """Suspend a runner for good, under a worker that waits only briefly for a sign of life."""
    context.service.stop("worker")
    context.service.start("worker", environment={"TED_STALL_SECONDS": str(STALL_SECONDS)})
    with suspended_at(context, "mid-round"):
        context.service.mark_fault()
        until(context.settled)
    context.service.stop("worker")
    context.service.start("worker")


# --- 13: damage -------------------------------------------------------------------------------------------------------


def flip_a_byte(path: Path) -> None:
    """Damage the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def truncate(path: Path) -> None:
    """Keep the first half of a file."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def damage_checkpoint(damage: Callable[[Path], None]) -> Fault:
    """Kill a runner after its last round, and damage the newer of the two checkpoints that it left."""

    def inject(context: FaultContext) -> None:
        noticed_before = context.service.log("worker").count("checkpoint is damaged")
        with suspended_at(context, "after a round", times=ROUNDS) as there:
            (job,) = context.driver.promises()
            until(lambda: len(_checkpoints(context, job)) == ROUNDS - 1)
            damage(_checkpoints(context, job)[-1])
            there.kill()
            context.service.mark_fault()
        until(lambda: context.service.log("worker").count("checkpoint is damaged") > noticed_before)

    return inject


def _checkpoints(context: FaultContext, job: Promise) -> list[Path]:
    """Return the job's checkpoints, the newest last."""
    of_job = select(checkpoints.c.key).where(checkpoints.c.job_id == job.job_id)
    with read_transaction(context.engine) as connection:
        keys = connection.scalars(of_job.order_by(checkpoints.c.id))
        return [context.service.settings.artifacts / key for key in keys]
