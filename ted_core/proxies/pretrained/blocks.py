"""The two parts of a pretrained model of which only the last transformer blocks are trained.

What lies below the trained blocks makes the same hidden states of a row whenever it sees it. So these are made once,
and a model takes them from its batches and calculates the last blocks only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import chain
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from ted_core.errors import ProxyMismatch, TooManyBlocks
from ted_core.proxies.pretrained.tokens import TokenBatch

FIELD = "proxy.train_blocks"
ATTENTION = "attention_type"
"""What some models ask of a block before they call it."""
TOLERANCE = 1e-3
"""What a difference may be of the largest output: the operations are the same."""

Hidden = Float[Tensor, "samples length width"]


class SkippedBlock(nn.Module):
    """Stands for a block that is not calculated: gives what it is given."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        if hasattr(block, ATTENTION):
            setattr(self, ATTENTION, getattr(block, ATTENTION))

    def forward(self, hidden: Tensor, *_: Any, **__: Any) -> Tensor:
        """See torch."""
        return hidden


class GivenHiddenStates(SkippedBlock):
    """Stands for the last block that is not trained: gives what was made of the batch before."""

    states: Tensor | None = None

    def forward(self, hidden: Tensor, *_: Any, **__: Any) -> Tensor:
        """See torch."""
        assert self.states is not None, "only batches with hidden states are given"  # noqa: S101
        return self.states

    @contextmanager
    def of(self, batch: TokenBatch) -> Iterator[None]:
        """Give the hidden states of this batch within the ``with`` block."""
        self.states = batch.hidden
        try:
            yield
        finally:
            self.states = None


class KeptHiddenStates(SkippedBlock):
    """Stands for the first block that is trained: keeps what it is given."""

    states: Tensor

    def forward(self, hidden: Tensor, *_: Any, **__: Any) -> Tensor:
        """See torch."""
        self.states = hidden
        return hidden


class FrozenBlocks(nn.Module):
    """What a model makes of tokens below its last blocks."""

    def __init__(self, model: PreTrainedModel, train_blocks: int) -> None:
        """The model's own weights are used. Raises TooManyBlocks, ProxyMismatch."""
        super().__init__()
        self.whole, self.below, self.above = model, with_the_same_weights(model), with_the_same_weights(model)
        blocks = blocks_of(self.below)
        first = _first_trained(blocks, train_blocks)
        for place in range(first, len(blocks)):
            blocks[place] = KeptHiddenStates(blocks[place]) if place == first else SkippedBlock(blocks[place])
        self.kept = blocks[first]
        self.given = keep_last_blocks(self.above, train_blocks)

    def forward(self, batch: TokenBatch) -> Hidden:
        """What the first of the last blocks is given."""
        last_hidden_state(self.below, batch)
        assert isinstance(self.kept, KeptHiddenStates)  # noqa: S101
        return self.kept.states

    def require_enough(self, batch: TokenBatch) -> None:
        """Raise ProxyMismatch unless the last blocks make of hidden states what the whole model makes of the tokens.

        There are models that hand each block more than what the one below it has made.
        """
        if self.given is None:
            return
        given = batch._replace(hidden=self(batch))
        with self.given.of(given):
            above = last_hidden_state(self.above, given)[batch.mask].float()
        whole = last_hidden_state(self.whole, batch)[batch.mask].float()
        if not bool((above - whole).abs().max() <= TOLERANCE * whole.abs().max()):
            kind = self.whole.config.model_type
            raise ProxyMismatch(f"The last blocks of a {kind} need more than hidden states", field=FIELD)


def last_hidden_state(model: PreTrainedModel, batch: TokenBatch) -> Hidden:
    """What the model makes of the tokens, before any head."""
    options: dict[str, Any] = {} if batch.types is None else {"token_type_ids": batch.types}
    if batch.predicts is not None:
        options["use_cache"] = False
    hidden: Tensor = model.base_model(
        input_ids=batch.ids, attention_mask=batch.mask.long(), **options
    ).last_hidden_state
    return hidden


def keep_last_blocks(model: PreTrainedModel, train_blocks: int) -> GivenHiddenStates | None:
    """Take all but the last blocks out of the model; return what gives their hidden states instead.

    None if these are all of its blocks. Raises TooManyBlocks, ProxyMismatch.
    """
    blocks = blocks_of(model)
    first = _first_trained(blocks, train_blocks)
    if first == 0:
        return None
    for place in range(first - 1):
        blocks[place] = SkippedBlock(blocks[place])
    given = GivenHiddenStates(blocks[first - 1])
    blocks[first - 1] = given
    return given


def blocks_of(model: PreTrainedModel) -> nn.ModuleList:
    """The model's transformer blocks, first to last. Raises ProxyMismatch."""
    count = getattr(model.config, "num_hidden_layers", None)
    lists = (module for module in model.modules() if isinstance(module, nn.ModuleList))
    found = next((blocks for blocks in lists if len(blocks) == count), None)
    if found is None:
        raise ProxyMismatch(f"A {model.config.model_type} does not show its blocks", field=FIELD)
    return found


def _first_trained(blocks: nn.ModuleList, train_blocks: int) -> int:
    if train_blocks > len(blocks):
        raise TooManyBlocks(f"A train_blocks of {train_blocks}, where there are {len(blocks)}", field=FIELD)
    return len(blocks) - train_blocks


def with_the_same_weights(model: PreTrainedModel) -> PreTrainedModel:
    """A copy whose parameters and buffers are the model's own."""
    return deepcopy(model, {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())})
