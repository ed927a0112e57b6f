"""Events of jobs as they happen, to many listeners at once (Server-Sent Events; WHATWG HTML, section 9.2).

One poller per process asks the database about all watched jobs together. A job's newest events lie in a window that
its listeners share; one that comes late or falls behind reads from the database, after the last sequence it has. So
memory grows with the jobs that are watched, not with slow readers, and no listener takes a thread.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, aclosing, contextmanager, suppress
from contextvars import Context
from dataclasses import dataclass
from functools import partial

import structlog
from anyio import CapacityLimiter, to_thread
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from service.http.errors import TooManyStreams
from service.schemas import jobs
from ted_jobs.errors import JobNotFound
from ted_jobs.jobs.changes import JobChanges, job_changes
from ted_jobs.jobs.models import Event
from ted_jobs.jobs.status import TERMINAL_STATUSES

log = structlog.get_logger()

MEDIA_TYPE = "text/event-stream"
POLL_SECONDS = 0.5
"""How late an event may be."""
HEARTBEAT_SECONDS = 15.0
"""How long a connection stays silent: proxies close those that seem dead."""
WINDOW = 64
"""Events of a job that its listeners share."""
READERS = 4
"""Threads that read for listeners that fell behind."""
RETRY = b"retry: 2000\n\n"
HEARTBEAT = b":\n\n"
LAST_TYPES = frozenset(f"job.{status}" for status in TERMINAL_STATUSES)

ReadEvents = Callable[[int], Sequence[Event]]
"""Reads a page of the stored events that follow a sequence."""


@dataclass(frozen=True)
class Frame:
    """An event as it goes over the wire."""

    sequence: int
    content: bytes
    is_last: bool

    @classmethod
    def of(cls, event: Event) -> "Frame":
        """Return the stored event as a frame; its sequence is the id that a client sends when it reconnects."""
        data = jobs.Event.of(event).model_dump_json()
        content = f"id: {event.sequence}\nevent: {event.type}\ndata: {data}\n\n".encode()
        return cls(event.sequence, content, event.type in LAST_TYPES)


class JobChannel:
    """What the listeners of one job share."""

    def __init__(self) -> None:
        self.listeners = 0
        self.window: deque[Frame] = deque(maxlen=WINDOW)
        self.last_sequence: int | None = None  # the sequence that the window reaches to; None before the first poll
        self.version = 0
        self.progress = b""
        self.ended = False
        self.deleted = False
        self.changed = asyncio.Event()

    def update(self, changes: JobChanges | None) -> None:
        """Add what is new, and wake the listeners if anything is. None for a job that was deleted."""
        before = (self.version, self.last_sequence, self.deleted)
        self.deleted = changes is None
        if changes:
            self._extend(changes)
            self.ended = changes.status.is_terminal
            self.version = changes.version
            self.progress = _progress_frame(changes)
        if before != (self.version, self.last_sequence, self.deleted):
            self.wake()

    def _extend(self, changes: JobChanges) -> None:
        frames = [Frame.of(event) for event in changes.events]
        if self.last_sequence is None:
            self.last_sequence = changes.last_event
        elif frames:
            if frames[0].sequence != self.last_sequence + 1:  # more happened than a window holds
                self.window.clear()
            self.window.extend(frames)
            self.last_sequence = frames[-1].sequence

    def wake(self) -> None:
        """Let the listeners look for new frames."""
        self.changed.set()
        self.changed = asyncio.Event()

    def frames_after(self, sequence: int) -> Sequence[Frame] | None:
        """Return the frames that follow, empty if there are none yet; None if the database has to be asked."""
        if self.last_sequence is None or sequence < self.last_sequence - len(self.window):
            return None
        return [frame for frame in self.window if frame.sequence > sequence]

    def is_finished(self, sequence: int) -> bool:
        """Return whether nothing will ever follow this sequence."""
        return self.deleted or (self.ended and self.last_sequence is not None and sequence >= self.last_sequence)


def _progress_frame(changes: JobChanges) -> bytes:
    """A frame without an id, so that clients resume after the last stored event; empty if there is no progress."""
    if changes.progress is None or changes.status.is_terminal:
        return b""
    return f"event: progress\ndata: {jobs.Progress.model_validate(changes.progress).model_dump_json()}\n\n".encode()


class EventStreams:
    """All listeners of this process. Lives on one event loop."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.closing = asyncio.Event()
        self.channels: dict[str, JobChannel] = {}
        self._poller: asyncio.Task[None] | None = None
        self._read_limiter = CapacityLimiter(READERS)
        self._poll_limiter = CapacityLimiter(1)

    async def listen(self, job_id: str, *, after: int, read: ReadEvents) -> AsyncGenerator[bytes, None]:
        """Yield what happens to the job after this sequence, until its last event, or until the service ends."""
        yield RETRY
        # A client reconnects: if its job is gone it is told so then, and if the database failed it misses nothing.
        with self._subscription(job_id) as channel, suppress(JobNotFound, SQLAlchemyError):
            version = 0
            while not self.closing.is_set() and not channel.deleted:
                changed = channel.changed  # before looking, so that what comes in between is not slept through
                frames = await self._frames(channel, after, read)
                if frames:
                    after = frames[-1].sequence
                    yield b"".join(frame.content for frame in frames)
                if channel.is_finished(after) or (frames and frames[-1].is_last):
                    return
                if channel.version != version:
                    version = channel.version
                    if channel.progress:
                        yield channel.progress
                elif not frames and not await _is_set_before_heartbeat(changed):
                    yield HEARTBEAT

    async def _frames(self, channel: JobChannel, after: int, read: ReadEvents) -> Sequence[Frame]:
        frames = channel.frames_after(after)
        if frames is None:
            events = await to_thread.run_sync(read, after, limiter=self._read_limiter)
            return [Frame.of(event) for event in events]
        return frames

    @contextmanager
    def _subscription(self, job_id: str) -> Iterator[JobChannel]:
        channel = self.channels.setdefault(job_id, JobChannel())
        channel.listeners += 1
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(
                self._poll(), context=Context()
            )  # without the log context of one request
        try:
            yield channel
        finally:
            channel.listeners -= 1
            if not channel.listeners:
                del self.channels[job_id]

    async def _poll(self) -> None:
        """Look for changes as long as anybody listens."""
        while self.channels:
            watched = dict(self.channels)
            sequences = {job_id: channel.last_sequence for job_id, channel in watched.items()}
            try:
                changes = await to_thread.run_sync(
                    partial(job_changes, self.engine, sequences, limit=WINDOW), limiter=self._poll_limiter
                )
            except SQLAlchemyError as error:
                log.warning("watched jobs could not be polled", error=str(error))
            else:
                for job_id, channel in watched.items():
                    channel.update(changes.get(job_id))
            await asyncio.sleep(POLL_SECONDS)

    def close(self) -> None:
        """End all streams and all waiting; clients reconnect, to another process."""
        self.closing.set()
        for channel in self.channels.values():
            channel.wake()

    async def aclose(self) -> None:
        """Close, and wait until the poller has ended as well."""
        self.close()
        if self._poller:
            self._poller.cancel()
            with suppress(asyncio.CancelledError):
                await self._poller


async def _is_set_before_heartbeat(event: asyncio.Event) -> bool:
    """Return whether the event is set before a heartbeat is due."""
    try:
        return await asyncio.wait_for(event.wait(), HEARTBEAT_SECONDS)
    except TimeoutError:
        return False


class EventStreamResponse(StreamingResponse):
    """The response to one listener."""

    media_type = MEDIA_TYPE

    def __init__(self, frames: AsyncGenerator[bytes, None], hold: AbstractContextManager[bool]) -> None:
        self.frames = frames
        self.hold = hold
        super().__init__(frames, headers={"Cache-Control": "no-store", "Vary": "Accept", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until nothing more will come or nobody listens; the job is then no longer watched.

        Raises TooManyStreams.
        """
        with self.hold as may_listen:
            if not may_listen:
                raise TooManyStreams
            async with aclosing(self.frames):
                await super().__call__(scope, receive, send)
