"""A runner that works on a job by itself, in the test's own process."""

from worker.messages import Assignment
from worker.ranks.devices import rank_devices
from worker.ranks.processes import RankProcesses
from worker.ranks.seats import Seats
from worker.runner import Ranks


def alone(assignment: Assignment) -> Ranks:
    """The only rank of a job, which is this process."""
    return Ranks(Seats(rank_devices(assignment)), RankProcesses((), lambda _: None))
