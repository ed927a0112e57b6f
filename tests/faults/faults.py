"""Every way in which the service is hurt, as stories: what is done, while which jobs are submitted, and how it ends.

A fault takes the :class:`Scene`, submits jobs through its driver, strikes, and leaves the service whole again.
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
from ted_jobs.db.tables import checkpoints
from ted_jobs.queue.celery import celery_app, notify
from tests.faults.cluster import Cluster
from tests.faults.driver import Driver, Promise
from tests.faults.service import HEARTBEAT, LEASE, Service
from tests.faults.verdict import stories, unfinished
from tests.servers.stacks import until

SEEDS = (0, 1)
"""Of a job that runs and one that waits; a fault that concerns only running jobs submits the first."""
ROUNDS = 3
HUNG_SECONDS, HOUR = 30, 3600
UNREAD = 100
SMALL_DISK = "4k"


@dataclass(frozen=True)
class Scene:
    """What a fault may touch."""

    service: Service
    driver: Driver
    engine: Engine
    cluster: Cluster | None

    def settled(self) -> bool:
        """Whether every job has ended."""
        return unfinished(self.engine) == 0


Fault = Callable[[Scene], None]

# --- 1: kill -9 -------------------------------------------------------------------------------------------------------


VICTIMS: dict[str, Callable[[Service, psutil.Process], None]] = {
    "runner": lambda _, there: there.kill(),
    "Celery child": lambda service, there: _supervisor(service, there).kill(),
    "Celery parent": lambda service, _: service.kill("worker"),
    "API": lambda service, _: service.kill("api"),
    "sweeper": lambda service, _: service.kill("sweeper"),
}


def killed(victim: str, *, at: str) -> Fault:
    """One process is killed while a job is at this point; what stood still there goes on."""

    def strike(scene: Scene) -> None:
        with standing(scene, at) as there:
            VICTIMS[victim](scene.service, there)
            scene.service.struck()
        scene.service.mend()

    return strike


def _supervisor(service: Service, there: psutil.Process) -> psutil.Process:
    """Celery's child, given that it or its runner is at the point."""
    return there.parent() or there if there in service.runners() else there


@contextmanager
def standing(scene: Scene, at: str, seeds: Sequence[int] = SEEDS[:1], *, times: int = 1) -> Iterator[psutil.Process]:
    """Jobs are submitted, and for the length of the block one stands still at the point, having got there so often."""
    scene.service.arm(at)
    scene.driver.begin(seeds)
    there = scene.service.reached(at)
    for _ in range(times - 1):
        time.sleep(2 * HEARTBEAT)  # what it has said is heard
        scene.service.arm(at)
        there.resume()
        there = scene.service.reached(at)
    yield there
    _go_on(there)


def _go_on(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):  # it may be the one that was killed
        process.resume()


# --- 2: zombie writer -------------------------------------------------------------------------------------------------


def frozen_past_its_lease(*, at: str) -> Fault:
    """A worker sleeps through its lease, wakes when another has done its work, and tries to write."""

    def strike(scene: Scene) -> None:
        lost_before = scene.service.log("worker").count("lease lost")
        with standing(scene, at) as there:
            supervisor = _supervisor(scene.service, there)
            supervisor.suspend()
            scene.service.struck()
            scene.service.start("heir")
            scene.driver.promises()
            until(scene.settled)
            supervisor.resume()
        until(lambda: scene.service.log("worker").count("lease lost") > lost_before)
        scene.service.stop("heir")

    return strike


# --- 3, 4, 5: the broker ----------------------------------------------------------------------------------------------


def broker_restarted(*, keeps_its_data: bool) -> Fault:
    """The broker is killed while one job runs and another's hint waits in it."""

    def strike(scene: Scene) -> None:
        with standing(scene, "mid-round", SEEDS):
            scene.driver.promises()
            scene.service.kill("broker")
            if not keeps_its_data:
                scene.service.lose_broker_data()
            scene.service.struck()
            scene.service.mend()

    return strike


def broker_flushed(scene: Scene) -> None:
    """FLUSHALL while one job runs and another's hint waits."""
    with standing(scene, "mid-round", SEEDS):
        scene.driver.promises()
        scene.service.flush_broker()
        scene.service.struck()


def broker_hung(scene: Scene) -> None:
    """The broker accepts connections and answers nothing, for half a minute."""
    broker = scene.service.process("broker")
    broker.suspend()
    scene.driver.submit(SEEDS)
    time.sleep(HUNG_SECONDS)
    broker.resume()
    scene.service.struck()


def broker_absent(scene: Scene) -> None:
    """Jobs are submitted while there is no broker."""
    scene.service.kill("broker")
    scene.driver.submit(SEEDS)
    scene.service.mend()
    scene.service.struck()


# --- 6: the database --------------------------------------------------------------------------------------------------


def database_crashed(scene: Scene) -> None:
    """The server is ended without a checkpoint and started again, while a job runs and others are submitted."""
    assert scene.cluster
    with standing(scene, "after a round"):
        scene.cluster.crash()
        scene.driver.begin(SEEDS[1:])
        time.sleep(LEASE / 2)
        scene.cluster.start()
        scene.service.struck()


def write_lock_held(scene: Scene) -> None:
    """Somebody holds SQLite's write lock for longer than a lease, while a job runs and others are submitted."""
    with standing(scene, "after a round"), write_transaction(scene.engine):
        scene.driver.begin(SEEDS[1:])
        time.sleep(2 * LEASE)
    scene.service.struck()


# --- 7, 8: resources --------------------------------------------------------------------------------------------------


def out_of(resource: str, *, at: str) -> Fault:
    """A process gets there and the kernel's answer is no: ENOSPC or ENOMEM."""

    def strike(scene: Scene) -> None:
        scene.service.arm(at, resource)
        scene.driver.begin(SEEDS[:1])
        scene.service.reached(at)
        scene.service.struck()

    return strike


def small_disk(folder: str) -> Fault:
    """A folder of the service lies on a file system with room for next to nothing, until one attempt has failed."""

    def strike(scene: Scene) -> None:
        place = scene.service.home / folder
        place.mkdir(exist_ok=True)
        mounted = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(place)]
        if subprocess.run(mounted, capture_output=True, check=False).returncode:
            raise NotPossibleHere("only root may mount a file system")
        try:
            jobs = scene.driver.submit(SEEDS[:1])
            until(lambda: any("disk" in (stories(scene.engine)[job.job_id].row.status_reason or "") for job in jobs))
        finally:
            subprocess.run(["umount", "--lazy", str(place)], check=True)  # noqa: S607 - wherever it lies
        scene.service.struck()

    return strike


class NotPossibleHere(Exception):
    """This machine does not let the fault happen."""


# --- 9, 10: said twice ------------------------------------------------------------------------------------------------


def hints_tenfold(scene: Scene) -> None:
    """Every job is rung for ten times, and again when it has ended."""
    app = celery_app(scene.service.settings)
    jobs = scene.driver.submit(SEEDS)
    for _ in range(10):
        for job in jobs:
            notify(app, job.job_id)
    until(scene.settled)
    scene.service.struck()
    for job in jobs:
        notify(app, job.job_id)


def answers_lost(scene: Scene) -> None:
    """The client hangs up before it has read the answer, and asks again under the same key."""
    for seed in SEEDS:
        scene.driver.submit_deaf(seed)
    scene.service.struck()


# --- 11: listeners ----------------------------------------------------------------------------------------------------


def undisturbed(scene: Scene) -> None:
    """Nothing happens to the service; its webhook's receiver is trouble enough."""
    scene.driver.submit(SEEDS)
    scene.service.struck()


def events_unread(scene: Scene) -> None:
    """Many ask for a running job's events and read none of them; one who reads hears of its end."""
    with ExitStack() as deaf:
        with standing(scene, "mid-round"):
            (job,) = scene.driver.promises()
            for _ in range(UNREAD):
                deaf.enter_context(scene.driver.deaf_listener(job))
            scene.service.struck()
        *_, last = scene.driver.client.follow(job.job_id)
        assert last["type"] == "job.succeeded"


# --- 12, 14: operators ------------------------------------------------------------------------------------------------


def rolling_restart(scene: Scene) -> None:
    """Every process is told to stop and started again, one after the other, while jobs arrive and run."""
    with standing(scene, "mid-round"):
        pass
    for name in ("api", "sweeper", "worker", "broker"):
        scene.driver.begin(SEEDS[:1])
        scene.service.stop(name)
        scene.service.start(name)
    scene.service.struck()


def clock_wrong(name: str, *, hours: int) -> Fault:
    """One process believes it is an hour earlier or later than it is."""

    def strike(scene: Scene) -> None:
        scene.service.stop(name)
        scene.service.start(name, clock_shift=hours * HOUR)
        scene.service.struck()
        scene.driver.submit(SEEDS[:1])
        until(scene.settled)
        scene.service.stop(name)
        scene.service.start(name)

    return strike


# --- 13: damage -------------------------------------------------------------------------------------------------------


def flip_a_byte(path: Path) -> None:
    """Damage the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    """Keep the first half of a file."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def checkpoint_damaged(damage: Callable[[Path], None]) -> Fault:
    """A runner is killed after its last round, and the newer of the two checkpoints it left is damaged."""

    def strike(scene: Scene) -> None:
        noticed_before = scene.service.log("worker").count("checkpoint is damaged")
        with standing(scene, "after a round", times=ROUNDS) as there:
            (job,) = scene.driver.promises()
            until(lambda: len(_kept(scene, job)) == ROUNDS - 1)
            damage(_kept(scene, job)[-1])
            there.kill()
            scene.service.struck()
        until(lambda: scene.service.log("worker").count("checkpoint is damaged") > noticed_before)

    return strike


def _kept(scene: Scene, job: Promise) -> list[Path]:
    """The job's checkpoints, the newest last."""
    known = select(checkpoints.c.key).where(checkpoints.c.job_id == job.job_id)
    with read_transaction(scene.engine) as connection:
        keys = connection.scalars(known.order_by(checkpoints.c.id))
        return [scene.service.settings.artifacts / key for key in keys]
