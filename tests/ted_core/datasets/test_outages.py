"""What is away for a moment is read again; what is wrong is not."""

import errno
import os
from collections.abc import Callable

import pytest

from ted_core.datasets import outages
from ted_core.datasets.outages import retry_while_away
from ted_core.datasets.sources.base import unreadable_error
from ted_core.errors import DatasetNotFound, DatasetUnavailable, DatasetUnreadable, TedError


def reading(*errors: Exception) -> Callable[[], str]:
    """A read that meets these errors in turn, and then succeeds."""
    remaining = list(errors)

    def read() -> str:
        if remaining:
            raise remaining.pop(0)
        return "rows"

    return read


def system_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def translated(number: int) -> TedError:
    """As readers raise it."""
    try:
        error = system_error(number)
        raise unreadable_error("digits.parquet is damaged", error) from error
    except TedError as unreadable:
        return unreadable


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outages, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(outages, "PATIENCE_SECONDS", 0.1)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ESTALE, errno.EIO, errno.ETIMEDOUT, errno.ENOTCONN])
def test_files_that_are_away_are_read_again(number: int) -> None:
    assert retry_while_away(reading(translated(number), system_error(number), DatasetNotFound("gone"))) == "rows"


@pytest.mark.parametrize(
    "error", [DatasetUnreadable("no Parquet"), translated(errno.EINVAL), system_error(errno.ENOSPC)]
)
def test_other_errors_are_raised_at_once(error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        retry_while_away(reading(error))

    assert raised.value is error


@pytest.mark.parametrize("error", [DatasetNotFound("/data/x does not exist"), system_error(errno.ESTALE)])
def test_files_that_stay_away_make_the_job_be_repeated(error: Exception) -> None:
    with pytest.raises(DatasetUnavailable) as unavailable:
        retry_while_away(reading(*[error] * 10_000))

    assert unavailable.value.retryable
    assert unavailable.value.fact in str(error)
