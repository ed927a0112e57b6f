"""``python -m worker.nodes.guest``: this host's part in one job, which the runner on the first host has begun."""

import os
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from ted_jobs.settings import Settings
from worker.messages import Assignment, Failed
from worker.ranks.devices import rank_devices, shared_out
from worker.ranks.processes import RankProcesses
from worker.ranks.rendezvous import ASSIGNMENT, give_signs, join_store, leave_failure, take_seat
from worker.ranks.seats import Seats
from worker.runner import take_part
from worker.runner_errors import named_error


def main() -> None:
    """Take this host's seat and work until the job has ended. The end of standard input ends this process."""
    settings = Settings()
    settings.work.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=settings.work) as folder:
        take_part_in_job(settings, Path(folder))


def take_part_in_job(settings: Settings, folder: Path) -> None:
    """Fetch the assignment, fork this host's other ranks, and be the first of them."""
    assignment = own_assignment(_fetch(settings.rendezvous), settings, folder)
    seats = Seats(rank_devices(assignment), settings.node_rank, settings.nodes)
    assignment = shared_out(assignment, len(seats.devices))
    work = partial(take_part, assignment, seats)
    others = RankProcesses(seats.numbers[1:], work)
    Thread(target=_exit_with_node, daemon=True).start()
    give_signs(settings.rendezvous, seats.node)
    store = join_store(settings.rendezvous)

    def end(failed: Failed) -> None:
        leave_failure(store, failed)
        os._exit(os.EX_SOFTWARE)

    others.watch(end)
    take_seat(store, seats)
    try:
        work(seats.numbers.start)
        others.join()
    except Exception as error:
        failed = Failed.from_error(named_error(error))
        others.conclude(failed)
        leave_failure(store, failed)
        raise  # so that the log holds the traceback


def own_assignment(assignment: Assignment, settings: Settings, folder: Path) -> Assignment:
    """The assignment as this host can carry it out: with its own folders, devices and memory."""
    own = {
        "folder": folder,
        "checkpoints": (),
        "dataset_roots": settings.allowed_roots,
        "model_roots": settings.model_roots,
        "cache": settings.cache,
        "cache_bytes": settings.cache_bytes,
        "device": settings.device,
        "devices": settings.devices,
        "ranks": settings.ranks,
        "threads": settings.threads,
        "memory_bytes": min(settings.memory_bytes, settings.ceiling),
        "memory_ceiling": settings.ceiling,
        "ceiling_is_default": settings.runner_memory_ceiling is None,
    }
    return assignment.model_copy(update=own)


def _fetch(address: str) -> Assignment:
    """The assignment. The connection is closed: ranks that are forked are not to share it."""
    return Assignment.model_validate_json(join_store(address).get(ASSIGNMENT))


def _exit_with_node() -> None:
    sys.stdin.read()
    os._exit(os.EX_TEMPFAIL)


if __name__ == "__main__":
    main()
