"""LoRA (Hu et al. 2021, arXiv 2106.09685): small adapters that learn around one frozen language model.

However many proxies a run trains, the language model is in memory once. Each adapter sits in a copy of its layers that
holds the very same weights, so adapters are models of their own, and yet cost no more than what they learn.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch
from jaxtyping import Float
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from ted_core.errors import ProxyMismatch
from ted_core.proxies.pretrained.blocks import FrozenBlocks, keep_last_blocks, with_the_same_weights
from ted_core.proxies.pretrained.encoder import half_precision
from ted_core.proxies.pretrained.loading import config_of, model_of
from ted_core.proxies.pretrained.tokens import TokenBatch
from ted_core.proxies.pretrained_settings import MOST_REMEMBERED_BLOCKS, RANK

ALPHA, LAYERS = 16, "all-linear"
"""The adapters' scale, and where they are."""
CHECKPOINTING = {"use_reentrant": False, "preserve_rng_state": False}
"""Many blocks are computed again on the way back, not remembered; there is no chance in them that would have to
repeat."""
CAUSAL = ("ForCausalLM", "LMHeadModel")
"""How transformers name the architectures that say one token after another."""

_in_memory: WeakValueDictionary[Path, PreTrainedModel] = WeakValueDictionary()


def adapter(folder: Path, _: int, *, train_blocks: int | None = None) -> "Adapter":
    """A new adapter; until it is trained, its output is that of the language model in this folder or GGUF file.

    There are no classes to tell apart. Raises UnknownModel, and ProxyMismatch for what is no causal language model, or
    one that cannot be cut below its last ``train_blocks``, which are then adapted alone; TooManyBlocks.
    """
    return Adapter(_language_model(folder), train_blocks=train_blocks)


def frozen_blocks(folder: Path, train_blocks: int) -> FrozenBlocks:
    """The language model below its last blocks. Raises UnknownModel, ProxyMismatch, TooManyBlocks."""
    return FrozenBlocks(_language_model(folder), train_blocks)


class Adapter(nn.Module):
    """An adapter in a language model, whose own weights are shared and do not count as the adapter's.

    If only the last blocks are adapted, batches must hold the hidden states that these are given.
    """

    def __init__(self, language_model: PreTrainedModel, *, train_blocks: int | None = None) -> None:
        """See ``adapter``."""
        super().__init__()
        lora = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=LAYERS)
        shared = with_the_same_weights(language_model)
        self._given = keep_last_blocks(shared, train_blocks) if train_blocks else None
        network: Any = inject_adapter_in_model(lora, shared)
        if train_blocks is None or train_blocks > MOST_REMEMBERED_BLOCKS:
            network.activation_checkpointing_enable(CHECKPOINTING)
        self._shared = (language_model, network)  # in a tuple, or torch would count them in
        learned = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
        self.weights = nn.ParameterDict({name.replace(".", "/"): weight for name, weight in learned.items()})

    @property
    def network(self) -> Any:
        """The language model with this adapter in it."""
        return self._shared[1]

    def forward(self, batch: TokenBatch) -> Float[Tensor, "answers vocabulary"]:
        """The logits at every token of an answer, one dialogue after another."""
        head, predicts = self.network.get_output_embeddings(), batch.predicts
        select = head.register_forward_pre_hook(lambda _, hidden: (hidden[0][predicts],))
        with select, self._below(batch), half_precision(batch.ids.device):
            logits: Tensor = self.network(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False).logits
        return logits

    def _below(self, batch: TokenBatch) -> AbstractContextManager[None]:
        """While the batch is calculated: what stands for the blocks that are not."""
        return self._given.of(batch) if self._given else nullcontext()

    def train(self, mode: bool = True) -> "Adapter":
        """See torch."""
        self.network.train(mode)
        return super().train(mode)

    def _apply(self, function: Callable[[Tensor], Tensor], recurse: bool = True) -> "Adapter":
        """Move the shared weights too; once, as they are the same for all adapters."""
        self.network._apply(function, recurse)
        return super()._apply(function, recurse)  # type: ignore[no-any-return, no-untyped-call]


def _language_model(path: Path) -> PreTrainedModel:
    """The frozen model, read from disk unless an adapter still holds it. What is drawn on the way has no effect."""
    model = _in_memory.get(path)
    if model is None:
        with torch.random.fork_rng(devices=[]):
            model = model_of(path, AutoModelForCausalLM, config=_config(path))
        _in_memory[path] = model.requires_grad_(False)
    return model


def _config(path: Path) -> Any:
    """The model's own, without dropout: one pass over few rows is no time to forget, and seeds would not repeat it."""
    config = config_of(path)
    names = config.architectures or CAUSAL
    if not any(name.endswith(CAUSAL) for name in names):
        raise ProxyMismatch(f"{path.name} is a {', '.join(names)}, no causal language model", field="proxy.model")
    for name, value in vars(config).items():
        if "drop" in name and isinstance(value, float):
            setattr(config, name, 0.0)
    return config
