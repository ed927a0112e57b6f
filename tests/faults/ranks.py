"""Faults of a job that two ranks work on: whichever process ends, none is left, and the next attempt resumes."""

from collections.abc import Callable

import psutil

from tests.faults.faults import SEEDS, Fault, FaultContext, suspended_at
from tests.servers.stacks import until

TWO_RANKS = {"TED_RANKS": "2", "TED_RUNNER_THREADS": "2"}
"""Of one thread each."""


def with_two_ranks(fault: Fault) -> Fault:
    """The fault, on a worker whose jobs have two ranks."""

    def inject(context: FaultContext) -> None:
        context.service.stop("worker")
        context.service.start("worker", environment=TWO_RANKS)
        fault(context)
        until(context.settled)
        context.service.stop("worker")
        context.service.start("worker")

    return inject


def kill_rank(which: Callable[[psutil.Process], psutil.Process]) -> Fault:
    """Kill one of the ranks in mid-round; none may outlive the others."""

    def inject(context: FaultContext) -> None:
        with suspended_at(context, "mid-round") as first:
            ranks = [first, *first.children()]
            assert len(ranks) == 2, "the runner has forked the other rank"
            which(first).kill()
            context.service.mark_fault()
        until(lambda: not any(rank.is_running() for rank in ranks), seconds=5)

    return with_two_ranks(inject)


def run_rank_out_of_memory(at: str) -> Fault:
    """Let the kernel refuse memory to the rank that gets to this point, and to none of the next attempt."""

    def inject(context: FaultContext) -> None:
        context.service.arm(at, "memory")
        context.driver.begin(SEEDS[:1])
        context.service.reached(at)
        context.service.mark_fault()

    return with_two_ranks(inject)


def other_rank(first: psutil.Process) -> psutil.Process:
    """The rank that the runner has forked."""
    (other,) = first.children()
    return other


def first_rank(first: psutil.Process) -> psutil.Process:
    """The runner itself."""
    return first
