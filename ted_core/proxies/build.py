"""A proxy and a seed → its freshly initialized model."""

import hashlib
from importlib import import_module

import torch
from torch import nn

from ted_core.datasets import Samples
from ted_core.proxies.resolve import ResolvedProxy


def build(proxy: ResolvedProxy, samples: Samples, *, seed: int) -> nn.Module:
    """Build the model on the CPU, for these samples' input shape and classes; equal seeds give equal weights.

    Raises ProxyMismatch, UnknownModel.
    """
    proxy.require_input_kind(samples.kind)
    module, function = proxy.family.builder.split(":")
    first = proxy.pretrained_model if proxy.is_fine_tuned else samples.input_shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: nn.Module = getattr(import_module(module), function)(first, len(samples.classes), **proxy.model_options)
    return model


def parameter_count(model: nn.Module) -> int:
    """How many numbers training adjusts."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def weights_digest(model: nn.Module) -> str:
    """The hexadecimal SHA-256 of the model's weights and buffers, by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + b"\0" + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()
