"""The device that jobs are trained on. It is asked in a process of its own: nothing else loads torch."""

import json
import subprocess
import sys
from collections.abc import Iterator

from ted_jobs.settings import Settings
from worker.doctor.finding import Finding, ok_finding, problem_finding, warning_finding

TORCH_DEVICE_COMMAND = (sys.executable, "-m", "worker.doctor.torch_device")
TIMEOUT_SECONDS = 120
GIB = 1 << 30


def check_device(settings: Settings) -> Iterator[Finding]:
    """Whether a worker on this machine could train where the settings say."""
    try:
        asked = _query_device(settings.device)
    except subprocess.TimeoutExpired:
        yield problem_finding(
            "device", f"does not answer within {TIMEOUT_SECONDS} s", "Look at the driver, for example with nvidia-smi."
        )
        return
    if asked.returncode:
        yield _device_finding(asked.stderr)
        return
    found = json.loads(asked.stdout)
    free = f", {found['free_bytes'] / GIB:.1f} of {found['bytes'] / GIB:.1f} GiB free" if found["bytes"] else ""
    yield ok_finding("device", f"{found['name']}{free}")


def _query_device(name: str) -> "subprocess.CompletedProcess[str]":
    command = (*TORCH_DEVICE_COMMAND, name)
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)  # noqa: S603 - our own module


def _device_finding(trace: str) -> Finding:
    last = (trace.strip().splitlines() or ["no output"])[-1]
    if "No module named 'torch'" in last:
        return warning_finding("device", "torch is not installed", "Nothing, where no worker runs; else install torch.")
    return problem_finding("device", last, "Set TED_DEVICE to what is there, or repair the driver.")
