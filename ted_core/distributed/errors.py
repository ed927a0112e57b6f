"""What goes wrong only where several processes work on one selection."""

from collections.abc import Iterator
from contextlib import contextmanager

from ted_core.errors import TedError


class RankLost(TedError):
    """A process that worked on this job has ended or cannot be reached. The job is tried again from its checkpoint."""

    retryable = True


class BatchSmallerThanRanks(TedError):
    """A batch has fewer rows than devices share it; raise batch_size, or give the worker fewer TED_DEVICES."""


@contextmanager
def rank_errors() -> Iterator[None]:
    """Turn what torch.distributed raises in the block into RankLost."""
    try:
        yield
    except RuntimeError as error:
        raise RankLost((str(error).splitlines() or [""])[0]) from error
