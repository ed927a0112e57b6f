"""What a chat template may take: it is a program that somebody else has written, in a sandbox that counts nothing.

A loop of a few characters runs for ever, and ``'a' * 10**9`` is a gigabyte.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ted_core.errors import UnknownModel
from ted_core.storage.rlimit import limited_memory

FIELD = "proxy.model"
SECONDS, MEMORY_BYTES, LONGEST_TEXT = 10.0, 1 << 30, 16 << 20
"""Of a processor, for one conversation; beside what is in memory; characters, beside twice the conversation's own."""
AGAIN_SECONDS = 1.0
"""After which a template is stopped again that was stopped where exceptions are ignored."""


@contextmanager
def limited_template() -> Iterator[None]:
    """Run the ``with`` block, which writes out one conversation, within the limits. Raises UnknownModel.

    The time is limited in a process's main thread, where a runner makes tokens.
    """
    try:
        with limited_memory(MEMORY_BYTES), _limited_time():
            yield
    except MemoryError as error:
        fact = f"The chat template takes more than {MEMORY_BYTES >> 20} MiB of memory for one conversation"
        raise UnknownModel(fact, field=FIELD) from error


def check_length(text: str, *, characters: int) -> str:
    """Return the text that a conversation of so many characters has become. Raises UnknownModel if it is too long."""
    if len(text) > LONGEST_TEXT + 2 * characters:
        fact = f"The chat template writes {len(text):,} characters for a conversation of {characters:,}"
        raise UnknownModel(fact, field=FIELD)
    return text


@contextmanager
def _limited_time() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS, AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise UnknownModel(f"The chat template takes more than {SECONDS:g} s for one conversation", field=FIELD)
