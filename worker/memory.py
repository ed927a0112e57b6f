"""What the runner may take: checked before anything is trained, and enforced by the kernel."""

import resource
from typing import NamedTuple

import torch

from ted_core.datasets import Samples
from ted_core.datasets.limits import INPUTS_SHARE
from ted_core.errors import ModelTooLarge, OutOfMemory
from ted_core.machine.device import resolve_device
from ted_core.memory_plan import Workload, plan_memory, require_batch_memory, require_memory
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.model_size import ModelSize, planned_size
from ted_core.storage.rlimit import limit_memory
from ted_core.training.device_arrays import DEVICE_SHARE
from ted_core.training.measured_size import measured_size
from worker.messages import Assignment

POOLS, STACK_BYTES = 3, 8 << 20
"""Threads of Arrow, torch and SciPy's BLAS, each with a stack that counts though hardly any of it is used."""


def limit_runner(assignment: Assignment) -> None:
    """Let the kernel enforce the assignment's ceiling; a default one on processors only. Raises DeviceMissing."""
    if assignment.memory_ceiling and not assignment.ceiling_is_default:
        limit_memory(assignment.memory_ceiling)
    elif assignment.memory_ceiling and resolve_device(assignment.device) == "cpu":
        limit_memory(assignment.memory_ceiling + POOLS * assignment.threads * _stack())


def _stack() -> int:
    size, _ = resource.getrlimit(resource.RLIMIT_STACK)
    return STACK_BYTES if size == resource.RLIM_INFINITY else size


def require_runner_memory(assignment: Assignment, proxy: ResolvedProxy, samples: Samples, *, device: str) -> None:
    """Plan the memory with the model itself, on the meta device, and the samples as they are.

    A pretrained model is planned by its files. Raises ModelTooLarge, and OutOfMemory if another attempt may help:
    because smaller batches fit, which it has, or because others use the accelerator at present. Models that only a run
    can measure are not checked.
    """
    size = _model_size(proxy, samples)
    available = _available(assignment, device)
    if size is None or available is None:
        return
    spec = assignment.spec
    work = Workload(
        spec.plan,
        proxy,
        size,
        samples.input_shape,
        rows=len(samples),
        memory_bytes=available.memory_bytes,
        resizable=spec.dataset.has_encoded_images,
        held=len(samples.inputs) if samples.ownership else None,
    )
    memory = plan_memory(work)
    require_memory(memory, work, ceiling=available.ever)
    try:
        require_memory(memory, work, ceiling=available.now)
        require_batch_memory(memory, work, ceiling=available.now)
    except ModelTooLarge as error:
        raise OutOfMemory(error.fact, field=error.field) from error
    if memory.peak > available.now and not work.is_estimate:
        raise OutOfMemory(f"The run would take {memory.peak:,} bytes beyond the libraries' of {available.now:,}")


def _model_size(proxy: ResolvedProxy, samples: Samples) -> ModelSize | None:
    if proxy.is_fine_tuned:
        return planned_size(proxy, samples.input_shape, len(samples.classes))
    return measured_size(proxy, samples)


class _Available(NamedTuple):
    """The bytes that a run may take on its device."""

    now: int
    ever: int
    """When nobody else uses the device."""
    memory_bytes: int | None
    """The ``Workload.memory_bytes`` by which inputs count: those that an accelerator has no room for stay outside."""


def _available(assignment: Assignment, device: str) -> _Available | None:
    """What an accelerator has, or the ceiling; None if nobody can say."""
    if device.startswith("cuda"):
        free, total = torch.cuda.mem_get_info(device)
        return _Available(free, total, free // DEVICE_SHARE * INPUTS_SHARE)
    ceiling = assignment.memory_ceiling
    return _Available(ceiling, ceiling, assignment.memory_bytes) if device == "cpu" and ceiling else None
