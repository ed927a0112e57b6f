"""HTTP/1.1 as h11 reads it, without what two programs could read differently or what costs more than it is worth."""

from typing import Any

import h11

VERSIONS = frozenset({b"1.1", b"1.0"})
LARGEST_HEAD = 16 * 1024
"""Bytes of a request's line and headers."""
SEPARATORS = len(b": \r\n")
CHUNK_COST = 64
MOST_CHUNK_COST = 64 * 1024
"""Every chunk costs as much as 64 bytes of content: a thousand chunks may hold less than that, then no more."""
TOO_LARGE = 431


class StrictConnection(h11.Connection):
    """A server's side of a connection. ``refusal`` is the last error in what the client has sent."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=LARGEST_HEAD)
        self.refusal: h11.RemoteProtocolError | None = None
        self._is_head = False
        self._chunk_cost = 0

    @property
    def may_send_body(self) -> bool:
        """Return whether the response that is sent next may have a body: one to HEAD has none."""
        return not (self._is_head and self.our_state is h11.SEND_RESPONSE)

    def next_event(self) -> Any:
        """Return what comes next. Raises RemoteProtocolError."""
        try:
            event = super().next_event()
            if isinstance(event, h11.Request):
                self._is_head, self._chunk_cost = event.method == b"HEAD", 0
                _check_request(event)
            elif isinstance(event, h11.Data):
                self._check_chunk(event)
        except h11.RemoteProtocolError as error:
            self.refusal = error
            raise
        return event

    def _check_chunk(self, data: h11.Data) -> None:
        self._chunk_cost = max(self._chunk_cost + CHUNK_COST * data.chunk_start - len(data.data), 0)
        if self._chunk_cost > MOST_CHUNK_COST:
            raise h11.RemoteProtocolError("The body comes in too many chunks that hold too little")


def _check_request(request: h11.Request) -> None:
    """Refuse another protocol, and a body whose length two programs would read differently (RFC 9112, section 6)."""
    if request.http_version not in VERSIONS:
        raise h11.RemoteProtocolError("The version is neither HTTP/1.1 nor HTTP/1.0")
    size, names = len(request.target), set()
    for name, value in request.headers:
        size += len(name) + len(value) + SEPARATORS
        names.add(name)
    if size > LARGEST_HEAD:
        raise h11.RemoteProtocolError(f"The limit is {LARGEST_HEAD} bytes", error_status_hint=TOO_LARGE)
    if b"transfer-encoding" in names and (b"content-length" in names or request.http_version < b"1.1"):
        raise h11.RemoteProtocolError("Transfer-Encoding stands beside Content-Length, or in HTTP/1.0")
