"""Events of jobs as they happen, to many listeners at once (Server-Sent Events; WHATWG HTML, section 9.2).

One poller per process asks the database about all watched jobs together. A job's newest events lie in a window that
its listeners share; who comes late or falls behind reads on from the database, from the sequence it has reached. So
memory grows with the jobs that are watched, not with slow readers, and no listener takes a thread.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from contextvars import Context
from dataclasses import dataclass
from functools import partial

import structlog
from anyio import CapacityLimiter, to_thread
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from service.schemas import jobs
from ted_jobs.errors import JobNotFound
from ted_jobs.jobs.changes import JobChanges, job_changes
from ted_jobs.jobs.models import Event
from ted_jobs.jobs.status import TERMINAL_STATUSES

log = structlog.get_logger()

MEDIA_TYPE = "text/event-stream"
POLL_SECONDS, HEARTBEAT_SECONDS = 0.5, 15.0
"""How old news may be, and how long a connection stays silent: proxies close those that seem dead."""
WINDOW, READERS = 64, 4
"""Events of a job that its listeners share, and threads that read for those who fell behind."""
RETRY, HEARTBEAT = b"retry: 2000\n\n", b":\n\n"
LAST_TYPES = frozenset(f"job.{status}" for status in TERMINAL_STATUSES)

ReadEvents = Callable[[int], Sequence[Event]]
"""A page of the stored events that follow a sequence."""


@dataclass(frozen=True)
class Frame:
    """An event as it goes over the wire."""

    sequence: int
    content: bytes
    is_last: bool

    @classmethod
    def of(cls, event: Event) -> "Frame":
        """The stored event; its sequence is the id that a client which comes back tells."""
        data = jobs.Event.of(event).model_dump_json()
        content = f"id: {event.sequence}\nevent: {event.type}\ndata: {data}\n\n".encode()
        return cls(event.sequence, content, event.type in LAST_TYPES)


class JobChannel:
    """What the listeners of one job share."""

    def __init__(self) -> None:
        self.listeners = 0
        self.window: deque[Frame] = deque(maxlen=WINDOW)
        self.last_sequence: int | None = None  # the sequence that the window reaches to; none before the first news
        self.version, self.progress = 0, b""
        self.ended = self.deleted = False
        self.changed = asyncio.Event()

    def update(self, told: JobChanges | None) -> None:
        """Take in what is new, and wake the listeners where anything is. No news of a job: it was deleted."""
        before = (self.version, self.last_sequence, self.deleted)
        self.deleted = told is None
        if told:
            self._extend(told)
            self.ended, self.version = told.status.is_terminal, told.version
            self.progress = _progress_frame(told)
        if before != (self.version, self.last_sequence, self.deleted):
            self.wake()

    def _extend(self, told: JobChanges) -> None:
        frames = [Frame.of(event) for event in told.events]
        if self.last_sequence is None:
            self.last_sequence = told.last_event
        elif frames:
            if frames[0].sequence != self.last_sequence + 1:  # more happened than a window holds
                self.window.clear()
            self.window.extend(frames)
            self.last_sequence = frames[-1].sequence

    def wake(self) -> None:
        """Let the listeners look."""
        self.changed.set()
        self.changed = asyncio.Event()

    def frames_after(self, sequence: int) -> Sequence[Frame] | None:
        """The frames that follow, empty where there are none yet; None where only the database knows."""
        if self.last_sequence is None or sequence < self.last_sequence - len(self.window):
            return None
        return [frame for frame in self.window if frame.sequence > sequence]

    def is_finished(self, sequence: int) -> bool:
        """Whether nothing will ever follow this sequence."""
        return self.deleted or (self.ended and self.last_sequence is not None and sequence >= self.last_sequence)


def _progress_frame(told: JobChanges) -> bytes:
    """A frame without an id, so that clients go on from the last stored event; empty where there is no progress."""
    if told.progress is None or told.status.is_terminal:
        return b""
    return f"event: progress\ndata: {jobs.Progress.model_validate(told.progress).model_dump_json()}\n\n".encode()


class EventStreams:
    """All listeners of this process. Lives on one event loop."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.closing = asyncio.Event()
        self.channels: dict[str, JobChannel] = {}
        self._poller: asyncio.Task[None] | None = None
        self._read_limiter, self._poll_limiter = CapacityLimiter(READERS), CapacityLimiter(1)

    async def listen(self, job_id: str, *, after: int, read: ReadEvents) -> AsyncGenerator[bytes, None]:
        """What happens to the job behind this sequence, until its last event, or until the service ends."""
        yield RETRY
        # Whose job is gone hears so when it comes back; whoever the database failed comes back and misses nothing.
        with self._subscribed(job_id) as topic, suppress(JobNotFound, SQLAlchemyError):
            version = 0
            while not self.closing.is_set() and not topic.deleted:
                changed = topic.changed  # before looking: what comes in between must not be slept through
                frames = await self._frames(topic, after, read)
                if frames:
                    after = frames[-1].sequence
                    yield b"".join(frame.content for frame in frames)
                if topic.is_finished(after) or (frames and frames[-1].is_last):
                    return
                if topic.version != version:
                    version = topic.version
                    if topic.progress:
                        yield topic.progress
                elif not frames and not await _is_set_before_heartbeat(changed):
                    yield HEARTBEAT

    async def _frames(self, topic: JobChannel, after: int, read: ReadEvents) -> Sequence[Frame]:
        frames = topic.frames_after(after)
        if frames is None:
            events = await to_thread.run_sync(read, after, limiter=self._read_limiter)
            return [Frame.of(event) for event in events]
        return frames

    @contextmanager
    def _subscribed(self, job_id: str) -> Iterator[JobChannel]:
        topic = self.channels.setdefault(job_id, JobChannel())
        topic.listeners += 1
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll(), context=Context())  # not in the name of one request
        try:
            yield topic
        finally:
            topic.listeners -= 1
            if not topic.listeners:
                del self.channels[job_id]

    async def _poll(self) -> None:
        """Ask for news as long as anybody listens."""
        while self.channels:
            watched = dict(self.channels)
            heard = {job_id: topic.last_sequence for job_id, topic in watched.items()}
            try:
                told = await to_thread.run_sync(
                    partial(job_changes, self.engine, heard, limit=WINDOW), limiter=self._poll_limiter
                )
            except SQLAlchemyError as error:
                log.warning("no news of watched jobs", error=str(error))
            else:
                for job_id, topic in watched.items():
                    topic.update(told.get(job_id))
            await asyncio.sleep(POLL_SECONDS)

    def close(self) -> None:
        """End all streams and all waiting; clients come back, and to another process."""
        self.closing.set()
        for topic in self.channels.values():
            topic.wake()

    async def aclose(self) -> None:
        """Nothing, once the poller has ended as well."""
        self.close()
        if self._poller:
            self._poller.cancel()
            with suppress(asyncio.CancelledError):
                await self._poller


async def _is_set_before_heartbeat(event: asyncio.Event) -> bool:
    """Whether it is set before a heartbeat is due."""
    try:
        return await asyncio.wait_for(event.wait(), HEARTBEAT_SECONDS)
    except TimeoutError:
        return False


class EventStreamResponse(StreamingResponse):
    """The answer to one listener."""

    media_type = MEDIA_TYPE

    def __init__(self, frames: AsyncGenerator[bytes, None]) -> None:
        self.frames = frames
        super().__init__(frames, headers={"Cache-Control": "no-store", "Vary": "Accept", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until there is nothing more to come or nobody listens; the job is then watched no longer."""
        async with aclosing(self.frames):
            await super().__call__(scope, receive, send)
