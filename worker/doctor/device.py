"""The device that jobs are trained on. It is asked in a process of its own: nothing else loads torch."""

import json
import subprocess
import sys
from collections.abc import Iterator

from ted_jobs.settings import Settings
from worker.doctor.finding import Finding, ok, problem, warning

COMMAND = (sys.executable, "-m", "worker.doctor.torch_device")
SECONDS = 120
GIB = 1 << 30


def device(settings: Settings) -> Iterator[Finding]:
    """Whether a worker on this machine could train where the settings say."""
    try:
        asked = _asked(settings.device)
    except subprocess.TimeoutExpired:
        yield problem(
            "device", f"does not answer within {SECONDS} s", "Look at the driver, for example with nvidia-smi."
        )
        return
    if asked.returncode:
        yield _unusable(asked.stderr)
        return
    found = json.loads(asked.stdout)
    free = f", {found['free_bytes'] / GIB:.1f} of {found['bytes'] / GIB:.1f} GiB free" if found["bytes"] else ""
    yield ok("device", f"{found['name']}{free}")


def _asked(name: str) -> "subprocess.CompletedProcess[str]":
    command = (*COMMAND, name)
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603 - our own module


def _unusable(trace: str) -> Finding:
    last = (trace.strip().splitlines() or ["no output"])[-1]
    if "No module named 'torch'" in last:
        return warning("device", "torch is not installed", "Nothing, where no worker runs; else install torch.")
    return problem("device", last, "Set TED_DEVICE to what is there, or repair the driver.")
