"""The device that a runner trains on, and how repeatable its results are."""

import torch

from ted_core.errors import TedError
from ted_core.plan import TWINS


class DeviceMissing(TedError):
    """The worker has no such device; set TED_DEVICE to one it has, or to auto."""

    retryable = True


def resolve_device(name: str) -> str:
    """Return the device to train on; ``auto`` is the best one available. Raises DeviceMissing."""
    availability = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(device for device, available in availability.items() if available)
    if not availability.get(name.split(":", maxsplit=1)[0], False):
        raise DeviceMissing(f"{name} is not available")
    return name


def describe_device(device: str, *, ranks: int = 1, nodes: int = 1) -> str:
    """Return the device's name for the readers of a manifest, and how many ranks have one like it."""
    several = "" if ranks == 1 else f", {ranks} ranks"
    several += "" if nodes == 1 else f" on {nodes} hosts"
    if device.startswith("cuda"):
        return f"{torch.cuda.get_device_name(device)}{several}"
    threads = torch.get_num_threads()
    return f"{device}, {threads} {'thread' if threads == 1 else 'threads'}{several}"


def determinism(device: str, *, ranks: int = 1, is_divided: bool = False) -> str:
    """Return how far a second run would agree with this one; ``is_divided``: whether each rank has rows of its own."""
    exact = "bit-exact" if ranks <= TWINS and not is_divided else f"bit-exact with {ranks} ranks"
    return (
        exact
        if device == "cpu"
        else "not bit-exact: where a device sums in another order, other rows of like worth may be drawn"
    )
