"""Samples → what the proxy trains on: themselves, or what a frozen pretrained model, or part of one, makes of them."""

from dataclasses import replace
from importlib import import_module

from ted_core.datasets import Samples
from ted_core.proxies import ResolvedProxy


def prepare_samples(samples: Samples, proxy: ResolvedProxy, *, device: str = "cpu") -> Samples:
    """The same samples with their inputs as this proxy trains on them; done once, however many models are trained.

    What is prepared already comes back as it is. Raises UnknownModel, and DatasetTooLarge if what is to be kept of the
    frozen part of a model has no room.
    """
    if proxy.frozen_blocks:
        return _with_hidden_states(samples, proxy, device=device)
    features = proxy.family.features
    if features is None or samples.kind == "vector":
        return samples
    module, function = features.split(":")
    vectors = getattr(import_module(module), function)(samples, proxy.pretrained_model, device=device)
    return replace(samples, inputs=vectors)


def _with_hidden_states(samples: Samples, proxy: ResolvedProxy, *, device: str) -> Samples:
    from ted_core.training.hidden_states import hidden_states  # noqa: PLC0415 - transformers are an extra

    if samples.hidden is not None:
        return samples
    return replace(samples, hidden=hidden_states(samples, proxy, device=device))
