"""Files that are away for a moment: renamed and back, or on a network file system that reconnects."""

import errno
from collections.abc import Callable, Iterator
from typing import TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_exponential

from ted_core.errors import DatasetNotFound, DatasetUnavailable, TedError

PATIENCE_SECONDS = 10.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0
AWAY_ERRNOS = frozenset(
    {errno.ENOENT, errno.ESTALE, errno.EIO, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH}
)
"""What file systems say of files that may come back; ENOTCONN is a FUSE server's, EIO a soft NFS mount's."""
ReadResult = TypeVar("ReadResult")


def retry_while_away(read: Callable[[], ReadResult]) -> ReadResult:
    """Return what ``read`` returns, which is called again for some seconds as long as files are away.

    For a dataset that was there before. Raises DatasetUnavailable if it stays away, and otherwise what ``read`` raises.
    """
    attempts = Retrying(
        retry=retry_if_exception(_is_away),
        stop=stop_after_delay(PATIENCE_SECONDS),
        wait=wait_exponential(FIRST_PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS),
        reraise=True,
    )
    try:
        return attempts(read)
    except (TedError, OSError) as error:
        if not _is_away(error):
            raise
        fact = error.fact if isinstance(error, TedError) else str(error)
        raise DatasetUnavailable(fact, field="dataset.uri") from error


def _is_away(error: BaseException) -> bool:
    return any(
        isinstance(cause, DatasetNotFound) or (isinstance(cause, OSError) and cause.errno in AWAY_ERRNOS)
        for cause in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error, what it was raised from, and so on."""
    while error:
        yield error
        error = error.__cause__
