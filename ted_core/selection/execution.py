"""How a pruning run is carried out. Nothing here influences which rows are retained."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ted_core.datasets import Samples
from ted_core.distributed.world import ALONE, World
from ted_core.plan import PruningPlan
from ted_core.proxies import ResolvedProxy
from ted_core.selection.rounds import ProgressCallback, Round, ignore_progress
from ted_core.storage.checkpoint import StateDict


@runtime_checkable
class Checkpointer(Protocol):
    """Stores the state of a run, so that it can be resumed after an interruption.

    >>> class InMemory:
    ...     saved_state = None
    ...     def offer(self, state):
    ...         self.saved_state = state()
    >>> isinstance(InMemory(), Checkpointer)
    True
    """

    saved_state: StateDict | None
    """The state of an interrupted run on the same samples, plan and proxy; None to start from the beginning."""

    def offer(self, state: Callable[[], StateDict]) -> None:
        """Store this state in place of the last one, or keep the last one if it is recent enough."""


class NoCheckpoints:
    """A checkpointer that stores nothing."""

    saved_state: StateDict | None = None

    def offer(self, state: Callable[[], StateDict]) -> None:
        """Do nothing."""


NO_CHECKPOINTS = NoCheckpoints()


@dataclass(frozen=True)
class Execution:
    """Where to calculate, and whom to report to."""

    device: str = "cpu"
    watch: ProgressCallback = ignore_progress
    checkpointer: Checkpointer = NO_CHECKPOINTS
    world: World = ALONE


Method = Callable[[Samples, PruningPlan, ResolvedProxy, Execution], Iterator[Round]]
"""(samples, plan, proxy, execution) → rounds."""
