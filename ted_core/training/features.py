"""Samples → what the proxy trains on: themselves, or the vectors that a frozen pretrained model makes of them."""

from dataclasses import replace
from importlib import import_module

from ted_core.datasets import Samples
from ted_core.proxies import ResolvedProxy


def prepare_samples(samples: Samples, proxy: ResolvedProxy, *, device: str = "cpu") -> Samples:
    """The same samples with their inputs as this proxy trains on them; done once, however many models are trained.

    What is prepared already comes back as it is. Raises UnknownModel.
    """
    features = proxy.family.features
    if features is None or samples.kind == "vector":
        return samples
    module, function = features.split(":")
    vectors = getattr(import_module(module), function)(samples, proxy.pretrained_model, device=device)
    return replace(samples, inputs=vectors)
