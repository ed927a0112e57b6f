"""Checkpoints of a selection by several ranks: the first one decides when, and writes; the others contribute."""

from collections.abc import Callable, Mapping

from safetensors.torch import load, save
from torch import Tensor

from ted_core.distributed.world import World

Contribute = Callable[[], Mapping[str, Tensor]]


def saved_on_first_rank(world: World, saved: Mapping[str, Tensor] | None) -> Mapping[str, Tensor] | None:
    """The state that the first rank's checkpointer has saved; None if it has none."""
    if world.size == 1:
        return saved
    sent = world.broadcast(None if saved is None else save(dict(saved)))
    return None if sent is None else load(sent)


def offer_together(world: World, offer: Callable[[Contribute], None], state: Contribute) -> None:
    """Offer the state to the first rank's checkpointer. All ranks call this, and ``state`` is called on all or none.

    On the first rank ``state`` returns that of all of them.
    """
    if world.rank > 0:
        follow(world, state)
        return
    asked = False

    def contribute() -> Mapping[str, Tensor]:
        nonlocal asked
        asked = world.broadcast(True)
        return state()

    offer(contribute)
    if not asked:
        world.broadcast(False)


def follow(world: World, state: Contribute) -> None:
    """Contribute to the first rank's checkpoint, if it is due."""
    if world.broadcast(False):
        state()
