"""Checks the device that jobs are trained on, in a separate process: nothing else in the doctor loads torch."""

import json
import subprocess
from collections.abc import Iterator

from ted_core.python_process import module_command
from ted_jobs.settings import Settings
from worker.doctor.finding import Finding, ok_finding, problem_finding, warning_finding

TORCH_DEVICE_COMMAND = module_command("worker.doctor.torch_device")
TIMEOUT_SECONDS = 120
GIB = 1 << 30


def check_device(settings: Settings) -> Iterator[Finding]:
    """Yield whether a worker on this machine could train on the device of the settings."""
    try:
        query = _query_device(settings)
    except subprocess.TimeoutExpired:
        yield problem_finding(
            "device", f"does not answer within {TIMEOUT_SECONDS} s", "Look at the driver, for example with nvidia-smi."
        )
        return
    if query.returncode:
        yield _device_finding(query.stderr)
        return
    device = json.loads(query.stdout)
    free = f", {device['free_bytes'] / GIB:.1f} of {device['bytes'] / GIB:.1f} GiB free" if device["bytes"] else ""
    yield ok_finding("device", f"{device['name']}{free}")


def _query_device(settings: Settings) -> "subprocess.CompletedProcess[str]":
    command = (*TORCH_DEVICE_COMMAND, settings.device, str(settings.threads))
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)  # noqa: S603 - our own module


def _device_finding(trace: str) -> Finding:
    last = (trace.strip().splitlines() or ["no output"])[-1]
    if "No module named 'torch'" in last:
        return warning_finding(
            "device", "torch is not installed", "Install torch if a worker is to run on this machine."
        )
    return problem_finding("device", last, "Set TED_DEVICE to what is there, or repair the driver.")
