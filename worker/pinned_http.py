"""POST to a host at addresses that were checked before, in a bounded time, learning no more than the answer's status.

The name stands in the TLS handshake and the Host header; it is not resolved again. No proxy, no redirect, no cookie.
"""

import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore
import httpx

from ted_jobs.webhooks.targets import WebhookTarget

Clock = Callable[[], float]


@dataclass(frozen=True)
class WebhookResponse:
    """What a receiver has said, its body unread."""

    status: int
    retry_after: str | None


def post_pinned(
    target: WebhookTarget, addresses: Sequence[str], *, headers: Mapping[str, str], body: bytes, seconds: float
) -> WebhookResponse:
    """The answer to one POST. Raises httpcore's exceptions; TimeoutException after so many seconds, all told.

    The body of an answer is left alone, be it huge or endless: its status says enough.
    """
    network = _PinnedBackend(addresses, deadline=time.monotonic() + seconds)
    sent = {"host": target.authority, **headers}
    with (
        httpcore.ConnectionPool(ssl_context=_ssl_context(), network_backend=network) as pool,
        pool.stream("POST", str(target), headers=list(sent.items()), content=body) as response,
    ):
        found = {name.lower(): value for name, value in response.headers}
        return WebhookResponse(
            response.status, found[b"retry-after"].decode("ascii", "replace") if b"retry-after" in found else None
        )


@cache
def _ssl_context() -> ssl.SSLContext:
    """Whom to trust: the usual authorities, or those in SSL_CERT_FILE."""
    return httpx.create_ssl_context()


class _PinnedBackend(httpcore.NetworkBackend):
    """Connects to the given addresses, whatever name it is asked for."""

    def __init__(self, addresses: Sequence[str], *, deadline: float) -> None:
        self.addresses, self.deadline = addresses, deadline
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first address that takes one."""
        *others, last = self.addresses
        for address in others:
            try:
                return self._connect(address, port)
            except httpcore.ConnectError:
                continue
        return self._connect(last, port)

    def _connect(self, address: str, port: int) -> httpcore.NetworkStream:
        left = _remaining_seconds(self.deadline, httpcore.ConnectTimeout)
        return _DeadlineStream(self._network.connect_tcp(address, port, timeout=left), deadline=self.deadline)


class _DeadlineStream(httpcore.NetworkStream):
    """A stream whose reads and writes end together at the deadline, however small the pieces that come in."""

    def __init__(self, stream: httpcore.NetworkStream, *, deadline: float) -> None:
        self.stream, self.deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Up to so many bytes."""
        return self.stream.read(max_bytes, _remaining_seconds(self.deadline, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it."""
        self.stream.write(buffer, _remaining_seconds(self.deadline, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The stream, encrypted; the certificate must be that of the name."""
        left = _remaining_seconds(self.deadline, httpcore.ConnectTimeout)
        return _DeadlineStream(self.stream.start_tls(ssl_context, server_hostname, left), deadline=self.deadline)

    def close(self) -> None:
        """Hang up."""
        self.stream.close()

    def get_extra_info(self, info: str) -> Any:
        """What is known of the connection."""
        return self.stream.get_extra_info(info)


def _remaining_seconds(deadline: float, too_late: type[httpcore.TimeoutException]) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise too_late("the time is up")
    return left
