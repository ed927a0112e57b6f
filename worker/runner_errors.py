"""What a runner reports about an exception that ended it: every exception becomes an error with a remedy."""

import errno
import traceback
from pathlib import Path

import torch

from ted_core.errors import DISK_FULL_ERRNOS, OutOfMemory, StorageFull, TedError
from ted_jobs.errors import MachineFailed, RunnerCrashed

OUT_OF_MEMORY_MESSAGES = (
    "DefaultCPUAllocator",
    "can't start new thread",
    "could not create a primitive",
    "CUDA error: out of memory",
    "STATUS_ALLOC_FAILED",
)
"""What the runtime errors of torch, Python, oneDNN and CUDA's libraries say if memory has run out."""
DEVICE_MESSAGES = ("CUDA error", "CUDA driver", "cuDNN error", "CUBLAS_STATUS")
"""What torch's runtime errors say if the device has failed, whatever it was asked to do."""
LONGEST_TEXT = 300
FRAMES = 3


def named_error(error: Exception) -> TedError:
    """Return the error to report. A crash of the same kind in the same place yields the same text, numbers aside."""
    if isinstance(error, TedError):
        return error
    text = (str(error).splitlines() or [""])[0][:LONGEST_TEXT]
    if _is_out_of_memory(error):
        return OutOfMemory(text)
    if isinstance(error, OSError) and error.errno in DISK_FULL_ERRNOS:
        return StorageFull(text)
    fact = f"{type(error).__name__}: {text} (in {_place(error)})"
    return MachineFailed(fact) if _is_machines_fault(error) else RunnerCrashed(fact)


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or _says(error, OUT_OF_MEMORY_MESSAGES)


def _says(error: Exception, texts: tuple[str, ...]) -> bool:
    return isinstance(error, RuntimeError) and any(text in str(error) for text in texts)


def _is_machines_fault(error: Exception) -> bool:
    """Whether the operating system or the device has failed. Libraries raise OSError without a number for bad data."""
    return (isinstance(error, OSError) and error.errno is not None) or _says(error, DEVICE_MESSAGES)


def _place(error: Exception) -> str:
    """The innermost functions, as module.function."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return ", ".join(f"{Path(frame.filename).stem}.{frame.name}" for frame in frames)
