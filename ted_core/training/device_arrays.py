"""Where a table's inputs are while models train on them: with the model, or where they lie until a batch needs them."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

DEVICE_SHARE = 2
"""Inputs may take one part in so many of an accelerator's free memory; models and their activations need the others."""
MOVED_BYTES = 64 << 20
"""What is copied to an accelerator at a time."""

RowIndices = Int64[np.ndarray, " rows"]
InputArray = Shaped[np.ndarray, "samples ..."]
Size = int | list[int]
"""Of all parts but the last, or of each."""


@runtime_checkable
class DeviceArray(Protocol):
    """Inputs that can be read batch by batch, on the device."""

    def parts(self, rows: RowIndices, size: Size) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the inputs of ``size`` rows at a time, and which rows these are, both on the device."""


def device_array(inputs: InputArray, device: torch.device) -> DeviceArray:
    """Put the inputs on the device if it has room; a CPU has none for what is mapped from a file."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return ResidentArray(inputs, device) if inputs.nbytes * DEVICE_SHARE <= free else GatheredArray(inputs, device)
    return GatheredArray(inputs, device) if isinstance(inputs, np.memmap) else ResidentArray(inputs, device)


class ResidentArray:
    """Inputs that are all on the device."""

    def __init__(self, inputs: InputArray, device: torch.device) -> None:
        self.device = device
        self.inputs = torch.from_numpy(inputs) if device.type == "cpu" else _moved(inputs, device)

    def parts(self, rows: RowIndices, size: Size) -> Iterator[tuple[Tensor, Tensor]]:
        """As in ``DeviceArray``."""
        for part in torch.split(torch.from_numpy(rows).to(self.device), size):
            yield self.inputs[part], part


class GatheredArray:
    """Inputs that stay where they are, from where each batch is gathered and moved to the device."""

    def __init__(self, inputs: InputArray, device: torch.device) -> None:
        self.inputs, self.device = inputs, device

    def parts(self, rows: RowIndices, size: Size) -> Iterator[tuple[Tensor, Tensor]]:
        """As in ``DeviceArray``."""
        for part in torch.split(torch.from_numpy(rows), size):
            batch = torch.from_numpy(self.inputs[part.numpy()])
            if self.device.type == "cuda":
                batch = batch.pin_memory()
            yield batch.to(self.device, non_blocking=True), part.to(self.device)


def _moved(inputs: InputArray, device: torch.device) -> Tensor:
    """A copy on the device, without another one in memory."""
    moved = torch.empty(inputs.shape, dtype=torch.from_numpy(inputs[:0].copy()).dtype, device=device)
    step = max(1, MOVED_BYTES * len(inputs) // max(inputs.nbytes, 1))
    for start in range(0, len(inputs), step):
        moved[start : start + step] = torch.from_numpy(inputs[start : start + step].copy())
    return moved
