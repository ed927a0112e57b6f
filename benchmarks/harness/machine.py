"""Describe what the numbers were measured on, without naming anybody's machine."""

import os
import platform
import re
from pathlib import Path

import pyarrow as pa
import torch

CPUINFO = Path("/proc/cpuinfo")
COLUMNS = {"hardware": pa.string(), "torch": pa.string(), "threads": pa.int64()}
"""What every file of results says about how its numbers were made; ``versions`` returns the values."""


def hardware() -> str:
    """Return the kind of processor and its number of cores."""
    cores = os.cpu_count() or 1
    return f"{_processor()}, {cores} core{'s' * (cores > 1)}"


def _processor() -> str:
    """Return the processor's model, with its family if the system tells."""
    text = CPUINFO.read_text() if CPUINFO.exists() else ""
    facts = dict(re.findall(r"^(model name|cpu family|model)\s*: (.*)$", text, re.MULTILINE))
    if not facts:
        return platform.machine()
    numbers = [f"{name} {facts[key]}" for name, key in (("family", "cpu family"), ("model", "model")) if key in facts]
    return f"{platform.machine()} {facts.get('model name', '')} ({', '.join(numbers)})"


def versions() -> dict[str, str | int]:
    """Return what every number of this process is made with, as the values of ``COLUMNS``."""
    return {"hardware": hardware(), "torch": torch.__version__, "threads": torch.get_num_threads()}
