"""Where a runner trains, and how repeatable that is."""

import torch

from ted_core.errors import TedError


class DeviceMissing(TedError):
    """The worker has no such device; set TED_DEVICE to one it has, or to auto."""

    retryable = True


def resolve_device(name: str) -> str:
    """The device to train on; ``auto`` is the best that is there. Raises DeviceMissing."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(device for device, here in available.items() if here)
    if not available.get(name.split(":", maxsplit=1)[0], False):
        raise DeviceMissing(f"{name} is not available")
    return name


def describe_device(device: str) -> str:
    """The device as a reader of the manifest would want it named."""
    return (
        torch.cuda.get_device_name(device)
        if device.startswith("cuda")
        else f"{device}, {torch.get_num_threads()} threads"
    )


def determinism(device: str) -> str:
    """How far a second run agrees with this one."""
    return (
        "bit-exact"
        if device == "cpu"
        else "not bit-exact: where a device sums in another order, other rows of like worth may be drawn"
    )
