"""POST to addresses that were checked before, in bounded time, reading only the response's status and headers.

The host's name is used for TLS and the Host header, but not resolved again. No proxies, no redirects, no cookies.
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
    """A receiver's response, its body unread."""

    status: int
    retry_after: str | None


def post_pinned(
    target: WebhookTarget, addresses: Sequence[str], *, headers: Mapping[str, str], body: bytes, seconds: float
) -> WebhookResponse:
    """Send one POST and return the response. Raises httpcore's exceptions; TimeoutException after ``seconds`` in total.

    The response's body, which may be endless, is not read.
    """
    network = _PinnedBackend(addresses, deadline=time.monotonic() + seconds)
    all_headers = {"host": target.authority, **headers}
    with (
        httpcore.ConnectionPool(ssl_context=_ssl_context(), network_backend=network) as pool,
        pool.stream("POST", str(target), headers=list(all_headers.items()), content=body) as response,
    ):
        received = {name.lower(): value for name, value in response.headers}
        retry_after = received.get(b"retry-after")
        return WebhookResponse(response.status, retry_after.decode("ascii", "replace") if retry_after else None)


@cache
def _ssl_context() -> ssl.SSLContext:
    """A context that trusts the usual authorities, or those in SSL_CERT_FILE."""
    return httpx.create_ssl_context()


class _PinnedBackend(httpcore.NetworkBackend):
    """Connects to the given addresses, whatever the host's name."""

    def __init__(self, addresses: Sequence[str], *, deadline: float) -> None:
        self.addresses = addresses
        self.deadline = deadline
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that accepts the connection."""
        *others, last = self.addresses
        for address in others:
            try:
                return self._connect(address, port)
            except httpcore.ConnectError:
                continue
        return self._connect(last, port)

    def _connect(self, address: str, port: int) -> httpcore.NetworkStream:
        remaining = _remaining_seconds(self.deadline, httpcore.ConnectTimeout)
        return _DeadlineStream(self._network.connect_tcp(address, port, timeout=remaining), deadline=self.deadline)


class _DeadlineStream(httpcore.NetworkStream):
    """A stream with one deadline for all its reads and writes, so that a slow sender cannot prolong it."""

    def __init__(self, stream: httpcore.NetworkStream, *, deadline: float) -> None:
        self.stream = stream
        self.deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read up to so many bytes."""
        return self.stream.read(max_bytes, _remaining_seconds(self.deadline, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write the whole buffer."""
        self.stream.write(buffer, _remaining_seconds(self.deadline, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Return the stream, encrypted; the certificate must match the host's name."""
        remaining = _remaining_seconds(self.deadline, httpcore.ConnectTimeout)
        return _DeadlineStream(self.stream.start_tls(ssl_context, server_hostname, remaining), deadline=self.deadline)

    def close(self) -> None:
        """Close the connection."""
        self.stream.close()

    def get_extra_info(self, info: str) -> Any:
        """Return a property of the connection."""
        return self.stream.get_extra_info(info)


def _remaining_seconds(deadline: float, timeout: type[httpcore.TimeoutException]) -> float:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise timeout("the time is up")
    return remaining
