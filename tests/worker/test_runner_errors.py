"""What a runner reports about an exception."""

import errno
import os

import pytest

from ted_core.errors import DatasetChanged, OutOfMemory, StorageFull, TedError
from ted_jobs.errors import MachineFailed, RunnerCrashed
from worker.runner_errors import LONGEST_TEXT, named_error


def raised(error: Exception) -> Exception:
    """The error as it is caught, with its traceback."""
    try:
        raise error
    except Exception as caught:
        return caught


def os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number), "/data/rows.parquet")


@pytest.mark.parametrize(
    ("error", "reported"),
    [
        pytest.param(DatasetChanged(), DatasetChanged, id="an error with a name"),
        pytest.param(MemoryError(), OutOfMemory, id="memory"),
        pytest.param(RuntimeError("DefaultCPUAllocator: can't allocate"), OutOfMemory, id="torch's memory"),
        pytest.param(os_error(errno.ENOMEM), OutOfMemory, id="memory for a map"),
        pytest.param(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), OutOfMemory, id="the device's memory"),
        pytest.param(os_error(errno.ENOSPC), StorageFull, id="no room"),
        pytest.param(os_error(errno.EIO), MachineFailed, id="the file system"),
        pytest.param(RuntimeError("CUDA error: unspecified launch failure"), MachineFailed, id="the device"),
        pytest.param(OSError("Corrupt snappy compressed data."), RunnerCrashed, id="what Arrow says of bad data"),
        pytest.param(RuntimeError("mat1 and mat2 shapes"), RunnerCrashed, id="a defect"),
    ],
)
def test_every_exception_becomes_an_error_with_a_remedy(error: Exception, reported: type[TedError]) -> None:
    assert type(named_error(raised(error))) is reported


def test_a_crash_says_what_was_raised_and_where() -> None:
    message = str(named_error(raised(KeyError("label"))))

    assert message.startswith("KeyError: 'label' (in test_runner_errors.raised). ")


def test_a_crash_says_one_line_of_limited_length() -> None:
    message = str(named_error(raised(ValueError("a" * 10_000 + "\n" + "b" * 10_000))))

    assert "a" * LONGEST_TEXT in message
    assert "b" * 10 not in message
    assert len(message) < LONGEST_TEXT + 500
