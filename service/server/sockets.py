"""The sockets that the server listens on, and who can reach them."""

import socket
from collections.abc import Sequence
from ipaddress import ip_address

from service.http.errors import OpenBeyondLoopback
from ted_jobs.settings import Settings


def inherited_sockets(descriptor: int | None) -> list[socket.socket] | None:
    """Return the listening socket that the parent process has left open; None if it has left none."""
    return None if descriptor is None else [socket.socket(fileno=descriptor)]


def check_keyless_access(settings: Settings, sockets: Sequence[socket.socket] | None) -> None:
    """Raise OpenBeyondLoopback if keyless access would be reachable from the network."""
    hosts = [_host(listener) for listener in sockets] if sockets else [settings.host]
    if settings.auth == "open" and not all(map(_is_loopback, hosts)):
        raise OpenBeyondLoopback(f"The API listens on {', '.join(hosts)}")


def _host(listener: socket.socket) -> str:
    """Return the socket's address; one in the file system can be reached from this machine only."""
    return str(listener.getsockname()[0]) if listener.family in (socket.AF_INET, socket.AF_INET6) else "localhost"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name: where it leads is not known for sure
        return False
