"""How a pruning run is carried out. Nothing here has a say in which rows are retained."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ResolvedProxy
from ted_core.selection.rounds import ProgressCallback, Round, ignore_progress
from ted_core.storage.checkpoint import StateDict


@runtime_checkable
class Checkpointer(Protocol):
    """Keeps where a run stands, should it be interrupted."""

    saved_state: StateDict | None
    """Where an interrupted run on the same samples, plan and proxy stood; None to begin at the beginning."""

    def offer(self, state: Callable[[], StateDict]) -> None:
        """Keep this state in place of the last, unless that one is young enough."""


class NoCheckpoints:
    """The keeper for those who would rather begin again."""

    saved_state: StateDict | None = None

    def offer(self, state: Callable[[], StateDict]) -> None:
        """Keep nothing."""


NO_CHECKPOINTS = NoCheckpoints()


@dataclass(frozen=True)
class Execution:
    """Where to calculate, and whom to tell."""

    device: str = "cpu"
    watch: ProgressCallback = ignore_progress
    checkpointer: Checkpointer = NO_CHECKPOINTS


Method = Callable[[Samples, PruningPlan, ResolvedProxy, Execution], Iterator[Round]]
"""(samples, plan, proxy, execution) → rounds."""
