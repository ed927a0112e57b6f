"""A job's events as they happen (Server-Sent Events; WHATWG HTML, section 9.2), whatever breaks on the way."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from ted_client.errors import NotATedService, TedApiError
from ted_client.flow import (
    Emit,
    Flow,
    JsonObject,
    ReadChunk,
    Request,
    Response,
    ResponseHead,
    SendRequest,
    Sleep,
    api_path,
    read_response,
)
from ted_client.job import TERMINAL
from ted_client.retry import FIRST_ERROR, PERMANENT_ERRORS, RETRYABLE_STATUSES, Backoff, ServiceConnection

SILENCE_SECONDS = 45.0
"""After which a line counts as dead; the service sends something every 15."""
REOPENING_SECONDS = 2.0
"""After a stream that ended well before the job did: the service has gone down, and is coming back."""
MEDIA_TYPE = "text/event-stream"
NO_CONTENT = 204
LAST_TYPES = frozenset(f"job.{status}" for status in TERMINAL)


@dataclass
class EventListener:
    """Hears of one job's events, each once."""

    service: ServiceConnection
    job_id: str
    after: int

    def follow(self) -> Flow[None]:
        """Tells each stored event, up to the job's last. Raises TedApiError, ServiceUnreachable."""
        spell = Backoff(self.service.retry_policy)
        while True:
            heard = self.after
            try:
                if (yield from self._listen()):
                    return
                yield Sleep(REOPENING_SECONDS)
                spell = Backoff(self.service.retry_policy)
            except (httpx.TransportError, _RetryLater) as broken:
                error = broken.error if isinstance(broken, _RetryLater) else self.service.unreachable(broken)
                spell = Backoff(self.service.retry_policy) if self.after > heard else spell
                pause = None if isinstance(broken, PERMANENT_ERRORS) else spell.pause(at_least=error.retry_after)
                if pause is None:
                    raise error from broken
                yield Sleep(pause)

    def _listen(self) -> Flow[bool]:
        """Whether there is nothing more to hear, once the stream has ended."""
        head: ResponseHead = yield SendRequest(self._request())
        if head.status >= FIRST_ERROR:
            raise _stream_error((yield from read_response(head)))
        if head.status == NO_CONTENT:
            return True
        if not head.headers.get("Content-Type", "").startswith(MEDIA_TYPE):
            raise NotATedService(f"{head.url} answered {head.status}, and not with a stream. Check the URL.")
        stream = SseDecoder()
        while chunk := (yield ReadChunk()):
            for event in stream.feed(chunk):
                self.after = event["sequence"]
                yield Emit(event)
                if event["type"] in LAST_TYPES:
                    return True
        return False

    def _request(self) -> Request:
        known = {"Last-Event-ID": str(self.after)} if self.after else {}
        headers = {"Accept": MEDIA_TYPE, "Cache-Control": "no-store", **known}
        return Request("GET", api_path("jobs", self.job_id, "events"), headers=headers, read_seconds=SILENCE_SECONDS)


class _RetryLater(Exception):
    """The service asks for time."""

    def __init__(self, error: TedApiError) -> None:
        super().__init__(str(error))
        self.error = error


def _stream_error(answer: Response) -> Exception:
    error = TedApiError.of(answer)
    return _RetryLater(error) if answer.status in RETRYABLE_STATUSES else error


class SseDecoder:
    """Bytes as they arrive → the stored events in them. Comments, and progress, which is not stored, are left out."""

    def __init__(self) -> None:
        self._pending = b""
        self._fields: dict[bytes, bytes] = {}

    def feed(self, chunk: bytes) -> Iterator[JsonObject]:
        """The events that these bytes complete."""
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        for line in lines:
            name, _, value = line.removesuffix(b"\r").partition(b":")
            if name:
                self._fields[name] = value.removeprefix(b" ")
            elif not line.strip():
                yield from self._complete_event()

    def _complete_event(self) -> Iterator[JsonObject]:
        fields, self._fields = self._fields, {}
        if b"id" in fields and b"data" in fields:
            yield json.loads(fields[b"data"])
