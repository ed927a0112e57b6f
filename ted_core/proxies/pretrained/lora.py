"""LoRA (Hu et al. 2021, arXiv 2106.09685): small adapters that learn around one frozen language model.

However many proxies a run trains, the language model is in memory once. Each adapter sits in a copy of its layers that
holds the very same weights, so adapters are models of their own, and yet cost no more than what they learn.
"""

from collections.abc import Callable
from copy import deepcopy
from itertools import chain
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch
from jaxtyping import Float
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from ted_core.errors import ProxyMismatch
from ted_core.proxies.pretrained.encoder import half_precision
from ted_core.proxies.pretrained.loading import config_of, model_of
from ted_core.proxies.pretrained.tokens import TokenBatch
from ted_core.proxies.pretrained_settings import RANK

ALPHA, LAYERS = 16, "all-linear"
"""The adapters' scale, and where they are."""
CHECKPOINTING = {"use_reentrant": False, "preserve_rng_state": False}
"""Layers are computed again on the way back, not remembered; there is no chance in them that would have to repeat."""
CAUSAL = ("ForCausalLM", "LMHeadModel")
"""How transformers name the architectures that say one token after another."""

_in_memory: WeakValueDictionary[Path, PreTrainedModel] = WeakValueDictionary()


def adapter(folder: Path, _: int) -> "Adapter":
    """A new adapter; until it is trained, its output is that of the language model in this folder or GGUF file.

    There are no classes to tell apart. Raises UnknownModel, and ProxyMismatch for what is no causal language model.
    """
    return Adapter(_language_model(folder))


class Adapter(nn.Module):
    """An adapter in a language model, whose own weights are shared and do not count as the adapter's."""

    def __init__(self, language_model: PreTrainedModel) -> None:
        super().__init__()
        lora = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=LAYERS)
        network: Any = inject_adapter_in_model(lora, _with_the_same_weights(language_model))
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
        with head.register_forward_pre_hook(lambda _, hidden: (hidden[0][predicts],)), half_precision(batch.ids.device):
            logits: Tensor = self.network(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False).logits
        return logits

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


def _with_the_same_weights(model: PreTrainedModel) -> PreTrainedModel:
    """A copy whose parameters and buffers are the model's own."""
    return deepcopy(model, {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())})
