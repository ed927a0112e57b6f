"""How many ranks work on a job, on which devices, and what each of them may take."""

import torch

from ted_core.distributed.connect import BACKENDS
from ted_core.errors import TedError
from ted_core.machine.device import resolve_device
from ted_core.plan import TWINS
from worker.messages import Assignment
from worker.ranks.seats import Seats

AUTO = ("auto",)


class RanksNotPossible(TedError):
    """The ranks of a job need devices of one kind, processors or CUDA devices; correct the worker's TED_DEVICES, or
    unset TED_RANKS."""

    retryable = True


def rank_devices(assignment: Assignment) -> tuple[str, ...]:
    """Return the device of each rank, as the settings name it. None is asked for: ranks are still to be forked."""
    if assignment.devices == AUTO:
        count = torch.cuda.device_count()  # of the driver's library, as far as that answers
        return tuple(f"cuda:{number}" for number in range(count - count % TWINS)) or (assignment.device,)
    return assignment.devices or (assignment.device,) * assignment.ranks


def resolve_rank_device(seats: Seats, rank: int) -> str:
    """Return the device that a rank of this host trains on. Raises DeviceMissing, RanksNotPossible."""
    device = resolve_device(seats.device(rank))
    if seats.size > 1 and torch.device(device).type not in BACKENDS:
        raise RanksNotPossible(f"Ranks on {device} cannot be connected")
    if seats.size > 1 and seats.size % TWINS:
        raise RanksNotPossible(f"{seats.size} ranks cannot be divided among two twins")
    if len({name.partition(":")[0] for name in seats.devices}) > 1:
        raise RanksNotPossible(f"The devices {', '.join(seats.devices)} are of several kinds")
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    return device


def shared_out(assignment: Assignment, ranks: int) -> Assignment:
    """Return the assignment of one of so many ranks: threads and memory are divided among them."""
    if ranks == 1:
        return assignment
    ceiling, memory = assignment.memory_ceiling, assignment.memory_bytes
    shares = {
        "threads": max(1, assignment.threads // ranks),
        "memory_bytes": memory and memory // ranks,
        "memory_ceiling": ceiling and ceiling // ranks,
    }
    return assignment.model_copy(update=shares)
