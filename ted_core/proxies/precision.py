"""What a device can calculate in."""

import torch

from ted_core.errors import PrecisionMissing
from ted_core.proxies.spec import Training


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for it. Elsewhere it would be emulated, and slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def require_precision(training: Training, *, device: str) -> None:
    """Raise PrecisionMissing if the proxy is to be trained in bfloat16 on a device without it."""
    if training.precision == "bfloat16" and not multiplies_bfloat16(torch.device(device)):
        raise PrecisionMissing(f"{device} has no instructions for bfloat16", field="proxy.precision")
