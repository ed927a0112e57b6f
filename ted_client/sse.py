"""A job's events as they happen (Server-Sent Events; WHATWG HTML, section 9.2), whatever breaks on the way."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from ted_client.errors import NotTed, TedApiError
from ted_client.flow import Answer, Call, Facts, Head, Open, Pause, Read, Request, Tell, place, rest
from ted_client.job import TERMINAL
from ted_client.retry import FIRST_ERROR, HOPELESS, PASSING, Service, Spell

SILENCE_SECONDS = 45.0
"""After which a line counts as dead; the service sends something every 15."""
REOPENING_SECONDS = 2.0
"""After a stream that ended well before the job did: the service has gone down, and is coming back."""
MEDIA_TYPE = "text/event-stream"
NO_CONTENT = 204
LAST_TYPES = frozenset(f"job.{status}" for status in TERMINAL)


@dataclass
class Listener:
    """Hears of one job's events, each once."""

    service: Service
    job_id: str
    after: int

    def follow(self) -> Call[None]:
        """Tells each stored event, up to the job's last. Raises TedApiError, ServiceUnreachable."""
        spell = Spell(self.service.patience)
        while True:
            heard = self.after
            try:
                if (yield from self._listen()):
                    return
                yield Pause(REOPENING_SECONDS)
                spell = Spell(self.service.patience)
            except (httpx.TransportError, _Busy) as broken:
                error = broken.error if isinstance(broken, _Busy) else self.service.unreachable(broken)
                spell = Spell(self.service.patience) if self.after > heard else spell
                pause = None if isinstance(broken, HOPELESS) else spell.pause(at_least=error.retry_after)
                if pause is None:
                    raise error from broken
                yield Pause(pause)

    def _listen(self) -> Call[bool]:
        """Whether there is nothing more to hear, once the stream has ended."""
        head: Head = yield Open(self._request())
        if head.status >= FIRST_ERROR:
            raise _refusal((yield from rest(head)))
        if head.status == NO_CONTENT:
            return True
        if not head.headers.get("Content-Type", "").startswith(MEDIA_TYPE):
            raise NotTed(f"{head.url} answered {head.status}, and not with a stream. Check the URL.")
        stream = EventStream()
        while chunk := (yield Read()):
            for event in stream.feed(chunk):
                self.after = event["sequence"]
                yield Tell(event)
                if event["type"] in LAST_TYPES:
                    return True
        return False

    def _request(self) -> Request:
        known = {"Last-Event-ID": str(self.after)} if self.after else {}
        headers = {"Accept": MEDIA_TYPE, "Cache-Control": "no-store", **known}
        return Request("GET", place("jobs", self.job_id, "events"), headers=headers, read_seconds=SILENCE_SECONDS)


class _Busy(Exception):
    """The service asks for time."""

    def __init__(self, error: TedApiError) -> None:
        super().__init__(str(error))
        self.error = error


def _refusal(answer: Answer) -> Exception:
    error = TedApiError.of(answer)
    return _Busy(error) if answer.status in PASSING else error


class EventStream:
    """Bytes as they arrive → the stored events in them. Comments, and progress, which is not stored, are left out."""

    def __init__(self) -> None:
        self._pending = b""
        self._fields: dict[bytes, bytes] = {}

    def feed(self, chunk: bytes) -> Iterator[Facts]:
        """The events that these bytes complete."""
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        for line in lines:
            name, _, value = line.removesuffix(b"\r").partition(b":")
            if name:
                self._fields[name] = value.removeprefix(b" ")
            elif not line.strip():
                yield from self._completed()

    def _completed(self) -> Iterator[Facts]:
        fields, self._fields = self._fields, {}
        if b"id" in fields and b"data" in fields:
            yield json.loads(fields[b"data"])
