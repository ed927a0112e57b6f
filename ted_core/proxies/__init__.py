"""Name → model, and how it is trained. Torch is loaded only by the modules that build models."""

from ted_core.proxies.resolve import ResolvedProxy, resolve_proxy
from ted_core.proxies.spec import FAMILIES, ProxyFamily, ProxySpec, Training, family_of

__all__ = ["FAMILIES", "ProxyFamily", "ProxySpec", "ResolvedProxy", "Training", "family_of", "resolve_proxy"]
