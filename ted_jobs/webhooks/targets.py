"""Where webhooks may lead: by https to public addresses and, if the operator allows it, to programs on this machine.

A URL is parsed once, by a narrow grammar, so that no second parser can find another host in it. A name is resolved once
for each attempt, and the connection goes to the addresses that were checked: what the name resolves to a moment later
does not matter.
"""

import re
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from threading import BoundedSemaphore, Thread

from ted_jobs.errors import TargetRefused
from ted_jobs.settings import WebhookReach

Resolver = Callable[[str, int], Sequence[str]]
"""Returns the addresses of a host and port. Raises OSError or UnicodeError if there are none."""

URL_PATTERN = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(/[a-z0-9._~!$&'()*+,;=:@%/-]*)?(\?[a-z0-9._~!$&'()*+,;=:@%/?-]*)?)",
    re.IGNORECASE | re.ASCII,
)
HOST_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""What some resolvers take for an IPv4 address, or for its last part."""
LONGEST_NAME = 253
RESOLVE_SECONDS = 3.0
RESOLVING = BoundedSemaphore(1000)
"""The names that this process resolves at a time; a name server that does not answer may take minutes to give up on."""
HIGHEST_PORT = 65535
DEFAULT_PORTS = {"https": 443, "http": 80}
UNICAST = IPv6Network("2000::/3")
"""The only global part of IPv6; IPv4-mapped and NAT64 addresses lie outside it."""
SIX_TO_FOUR = IPv6Network("2002::/16")
"""Leads back to IPv4."""


@dataclass(frozen=True)
class WebhookTarget:
    """The parts of a webhook's URL."""

    scheme: str
    host: str
    """In lower case; an IPv6 address without its brackets."""
    port: int
    path: str
    """Including the query."""

    @classmethod
    def parse(cls, url: str) -> "WebhookTarget":
        """Parse a webhook's URL. Raises TargetRefused."""
        parts = URL_PATTERN.fullmatch(url)
        if parts is None:
            raise TargetRefused("This is no http or https URL in plain ASCII without user and fragment", field="url")
        scheme, host = parts["scheme"].lower(), parts["host"].lower()
        port = int(parts["port"] or DEFAULT_PORTS[scheme])
        if not (_is_address(host.strip("[]")) or _is_name(host)) or not 0 < port <= HIGHEST_PORT:
            raise TargetRefused("Its host is neither a full name nor an address as usually written", field="url")
        return cls(scheme, host.strip("[]"), port, f"/{parts['path'].removeprefix('/')}")

    @property
    def authority(self) -> str:
        """Return host and port as a URL has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def _is_address(host: str) -> bool:
    """Whether this is an address in its usual notation; ``127.1`` and ``0x7f.1`` are not."""
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def _is_name(host: str) -> bool:
    labels = host.split(".")
    return (
        all(map(HOST_LABEL.fullmatch, labels)) and len(host) <= LONGEST_NAME and not NUMERIC_LABEL.fullmatch(labels[-1])
    )


def resolve_host(host: str, port: int, *, seconds: float = RESOLVE_SECONDS) -> list[str]:
    """Return the addresses of a host, from the system's resolver. Raises TimeoutError if it takes longer.

    The resolver cannot be interrupted: it goes on in a thread of its own. If too many do, TimeoutError is raised at
    once.
    """
    slots = RESOLVING
    if not slots.acquire(blocking=False):
        raise TimeoutError("too many names are being resolved")
    addresses: Future[list[str]] = Future()
    Thread(target=_resolve, args=(host, port, addresses, slots), daemon=True).start()
    return addresses.result(timeout=seconds)


def _resolve(host: str, port: int, addresses: Future[list[str]], slots: BoundedSemaphore) -> None:
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses.set_result([str(address[0]) for *_, address in entries])
    except Exception as error:
        addresses.set_exception(error)
    finally:
        slots.release()


def allowed_addresses(target: WebhookTarget, *, reach: WebhookReach, resolve: Resolver = resolve_host) -> list[str]:
    """Return the target's addresses, in order of preference. Raises TargetRefused if any of them is not allowed.

    Unknown names and internal names are refused alike, so that nobody can find out which internal names exist.
    """
    try:
        addresses = list(resolve(target.host, target.port))
    except (OSError, UnicodeError):
        addresses = []
    local = reach == "loopback" and all(_is_loopback(address) for address in addresses)
    if not addresses or not (local or all(is_public(address) for address in addresses)):
        raise TargetRefused(f"{target.host} does not lead to public addresses", field="url")
    if target.scheme != "https" and not local:
        raise TargetRefused("http is not https", field="url")
    return addresses


def _is_loopback(address: str) -> bool:
    return ip_address(address).is_loopback


def is_public(text: str) -> bool:
    """Return whether anybody on the Internet could reach the address as well."""
    address = ip_address(text)
    return (
        PUBLIC_ADDRESS_CHECKS[type(address)](address)
        and address.is_global
        and not address.is_multicast
        and not address.is_reserved
    )


def _is_unicast(address: IPv6Address) -> bool:
    return address in UNICAST and address not in SIX_TO_FOUR and address.teredo is None


PUBLIC_ADDRESS_CHECKS: dict[type, Callable[..., bool]] = {IPv4Address: lambda _: True, IPv6Address: _is_unicast}
