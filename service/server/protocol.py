"""One connection of a client, which may take only so long over a request and over reading the response."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, cast

import h11
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.http.errors import RequestTimedOut, TooManyConnections
from service.limits.addresses import client_network
from service.server.connections import ConnectionTable
from service.server.limits import ServerLimits
from service.server.refusals import protocol_error, refusal_events
from service.server.strict_connection import LARGEST_HEAD, StrictConnection
from ted_core.errors import TedError


class Phase(Enum):
    """What a connection waits for."""

    IDLE = auto()
    """A request, of which nothing has come."""
    HEAD = auto()
    """The rest of a request's line and headers."""
    BODY = auto()
    """The rest of a request's body."""
    RESPONSE = auto()
    """The app's response."""
    REFUSED = auto()
    """The client to read its refusal. Were the connection closed before, what it still sends would reset it, and the
    refusal with it."""


REFUSED_SECONDS = 1.0
"""How long a client has to read its refusal."""
MOST_REFUSED = 32
"""Clients that have this time though they were not admitted; others are cut off."""
PHASES: Mapping[object, Phase] = {h11.IDLE: Phase.HEAD, h11.SEND_BODY: Phase.BODY}
"""From the client's state to the phase; in every other state the whole request is there."""


class LimitedProtocol(H11Protocol):
    """uvicorn's protocol within the limits of ``ServerLimits``.

    Moving on only notes the time; ``check_time``, which the server calls now and then, compares it with the limits.
    """

    conn: StrictConnection

    def __init__(self, *, limits: ServerLimits, table: ConnectionTable, **parts: Any) -> None:
        super().__init__(**parts)
        self.conn = StrictConnection()
        self.limits = limits
        self.table = table
        self.address = ""
        self.is_proxy = False
        self.phase = Phase.IDLE
        self.since = self.read_at = self.loop.time()
        self._unread = 0

    # --- what happens to the connection -------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Admit or refuse the client."""
        super().connection_made(transport)
        self.address = client_network(self.client[0]) if self.client else "this machine"
        proxies = cast(ProxyHeadersMiddleware, self.app).trusted_hosts
        self.is_proxy = not self.client or self.client[0] in proxies or self.address in proxies
        if not self.table.add(self):
            self.refuse(TooManyConnections())
            if len(self.connections) - len(self.table) > MOST_REFUSED:
                self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self.table.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what has come, in portions for which h11's own limits hold."""
        if self.phase is Phase.IDLE:
            self._enter(Phase.HEAD)
        for begin in range(0, len(data), LARGEST_HEAD):
            if self.phase is not Phase.REFUSED and not self.transport.is_closing():
                super().data_received(data[begin : begin + LARGEST_HEAD])
        self._look_at_request()

    def on_response_complete(self) -> None:
        """Wait for the next request, or begin with it if it is there already."""
        super().on_response_complete()
        if self.phase is Phase.RESPONSE:
            self._look_at_request(Phase.IDLE)

    def resume_writing(self) -> None:
        """Go on with the response, most of which the client has read."""
        super().resume_writing()
        self.read_at = self.loop.time()

    def shutdown(self) -> None:
        """Close the connection when its request is answered."""
        if self.phase is Phase.REFUSED:
            self.abort()
        else:
            super().shutdown()

    def _look_at_request(self, unbegun: Phase = Phase.HEAD) -> None:
        phase = PHASES.get(self.conn.their_state, Phase.RESPONSE)
        self._enter(unbegun if phase is Phase.HEAD else phase)

    def _enter(self, phase: Phase) -> None:
        if phase is self.phase or self.phase is Phase.REFUSED:
            return
        self.phase, self.since = phase, self.loop.time()
        if phase is Phase.RESPONSE:
            self.table.serve(self)
        else:
            self.table.wait(self)

    # --- limits -------------------------------------------------------------------------------------------------------

    def check_time(self, now: float) -> None:
        """End what has taken too long by this time of the event loop's clock."""
        if self._is_stuck(now):
            self.abort()
        elif now - self.since > self._time_limit():
            if self.phase in (Phase.IDLE, Phase.REFUSED):
                self.transport.close()
            else:
                self.refuse(RequestTimedOut())

    def _time_limit(self) -> float:
        idle = self.limits.idle if self.cycle else self.limits.head
        limits = {
            Phase.IDLE: idle,
            Phase.HEAD: self.limits.head,
            Phase.BODY: self.limits.body,
            Phase.REFUSED: REFUSED_SECONDS,
        }
        return limits.get(self.phase, float("inf"))

    def _is_stuck(self, now: float) -> bool:
        """Return whether the client has long read nothing of what waits for it."""
        unread = self.transport.get_write_buffer_size()
        if not unread or unread < self._unread:
            self.read_at = now
        self._unread = unread
        return now - self.read_at > self.limits.send

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP."""
        self.refuse(protocol_error(self.conn.refusal))

    def refuse(self, error: TedError) -> None:
        """End the connection, with this problem as the last response if none has begun."""
        if self.phase is Phase.REFUSED or self.transport.is_closing():
            return
        self._leave_app()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        events = refusal_events(error, has_body=self.conn.may_send_body)
        self.transport.write(b"".join(self.conn.send(event) or b"" for event in events))
        self.transport.write_eof()
        self._unset_keepalive_if_required()
        self._enter(Phase.REFUSED)

    def abort(self) -> None:
        """Close the connection at once, whatever is still to be sent."""
        self._leave_app()
        self.transport.abort()

    def _leave_app(self) -> None:
        """Let the app find out that nobody listens any more."""
        if self.cycle and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
