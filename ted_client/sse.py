"""A job's events as they happen (Server-Sent Events; WHATWG HTML, section 9.2), resumed after every interruption."""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

import httpx

from ted_client.errors import NotATedService, RequestFailed, TedApiError, parse_json
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
from ted_client.retry import PERMANENT_ERRORS, RETRYABLE_STATUSES, Backoff, ServiceConnection, TryAgain

SILENCE_SECONDS = 45.0
"""After which a silent connection counts as dead; the service sends something every 15 seconds."""
REOPENING_SECONDS = 2.0
"""The pause after a stream that ended before the job did: the service is restarting."""
MEDIA_TYPE = "text/event-stream"
FIELDS = frozenset((b"id", b"data"))
"""What an event that is stored has, and all that is read of it."""
LONGEST_LINE = 16 << 20
LAST_TYPES = frozenset(f"job.{status}" for status in TERMINAL)


@dataclass
class EventListener:
    """Listens to one job's events and emits each of them once."""

    service: ServiceConnection
    job_id: str
    after: int

    def follow(self) -> Flow[None]:
        """Emit each stored event, up to the job's last. Raise TedApiError or ServiceUnreachable if tries run out."""
        backoff = Backoff(self.service.retry_policy)
        while True:
            previous = self.after
            try:
                if (yield from self._listen()):
                    return
                yield Sleep(REOPENING_SECONDS)
                backoff = Backoff(self.service.retry_policy)
            except (httpx.TransportError, TryAgain) as failure:
                error = self._error(failure)
                backoff = Backoff(self.service.retry_policy) if self.after > previous else backoff
                pause = None if isinstance(failure, PERMANENT_ERRORS) else backoff.pause(at_least=error.retry_after)
                if pause is None:
                    raise error from failure
                yield Sleep(pause)

    def _error(self, failure: httpx.TransportError | TryAgain) -> RequestFailed:
        return failure.error if isinstance(failure, TryAgain) else self.service.unreachable(failure)

    def _listen(self) -> Flow[bool]:
        """Emit events until the stream ends; return whether the job's last event has been seen."""
        head: ResponseHead = yield SendRequest(self._request())
        if head.status >= HTTPStatus.BAD_REQUEST:
            raise _stream_error((yield from read_response(head)))
        if head.status == HTTPStatus.NO_CONTENT:
            return True
        if not head.headers.get("Content-Type", "").startswith(MEDIA_TYPE):
            raise NotATedService(f"{head.url} answered {head.status}, and not with a stream. Check the URL.")
        decoder = SseDecoder()
        while chunk := (yield ReadChunk()):
            for event in decoder.feed(chunk):
                self.after = event["sequence"]
                yield Emit(event)
                if event["type"] in LAST_TYPES:
                    return True
        return False

    def _request(self) -> Request:
        resume = {"Last-Event-ID": str(self.after)} if self.after else {}
        headers = {"Accept": MEDIA_TYPE, "Cache-Control": "no-store", **resume}
        return Request("GET", api_path("jobs", self.job_id, "events"), headers=headers, read_seconds=SILENCE_SECONDS)


def _stream_error(response: Response) -> Exception:
    error = TedApiError.of(response)
    return TryAgain(error) if response.status in RETRYABLE_STATUSES else error


class SseDecoder:
    """Decodes bytes as they arrive. Comments, and progress, which is not stored, are left out."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._fields: dict[bytes, bytes] = {}

    def feed(self, chunk: bytes) -> Iterator[JsonObject]:
        """Yield the events that these bytes complete. Raise NotATedService for what no TED service sends."""
        first, *others = chunk.split(b"\n")
        self._line += first
        for start in others:
            line, self._line = bytes(self._line), bytearray(start)
            yield from self._decode(line.removesuffix(b"\r"))
        if len(self._line) > LONGEST_LINE:
            raise NotATedService(f"An event has a line of more than {LONGEST_LINE:,} bytes. Check the URL.")

    def _decode(self, line: bytes) -> Iterator[JsonObject]:
        name, _, value = line.partition(b":")
        if name in FIELDS:
            self._fields[name] = value.removeprefix(b" ")
        elif not line.strip():
            yield from self._complete_event()

    def _complete_event(self) -> Iterator[JsonObject]:
        fields, self._fields = self._fields, {}
        if fields.keys() >= FIELDS:
            event = parse_json(fields[b"data"])
            if not (isinstance(event, dict) and isinstance(event.get("sequence"), int) and "type" in event):
                raise NotATedService("An event is none of TED's. Check the URL.")
            yield event
