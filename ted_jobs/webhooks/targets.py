"""Where webhooks may lead: by https to public addresses, and where the operator allows it to this machine's programs.

A URL is taken apart once, by a narrow grammar, so that no second reader can find another host in it. A name is resolved
once for each attempt, and the connection is made to the addresses that were checked: what the name says a moment later
does not matter.
"""

import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from ted_jobs.errors import TargetRefused
from ted_jobs.settings import WebhookReach

Resolver = Callable[[str, int], Sequence[str]]
"""Host and port → addresses. Raises OSError or UnicodeError where there are none."""

URL_PATTERN = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(/[a-z0-9._~!$&'()*+,;=:@%/-]*)?(\?[a-z0-9._~!$&'()*+,;=:@%/?-]*)?)",
    re.IGNORECASE | re.ASCII,
)
HOST_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""What some resolvers take for an IPv4 address, or its last part."""
LONGEST_NAME, HIGHEST_PORT = 253, 65535
DEFAULT_PORTS = {"https": 443, "http": 80}
UNICAST, SIX_TO_FOUR = IPv6Network("2000::/3"), IPv6Network("2002::/16")
"""The only global part of IPv6; IPv4-mapped and NAT64 addresses lie outside it. 6to4 leads back to IPv4."""


@dataclass(frozen=True)
class WebhookTarget:
    """A webhook's URL, taken apart."""

    scheme: str
    host: str
    """In lower case; an IPv6 address without its brackets."""
    port: int
    path: str
    """With the query."""

    @classmethod
    def parse(cls, url: str) -> "WebhookTarget":
        """The target of a URL. Raises TargetRefused."""
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
        """Host and port, as in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def _is_address(host: str) -> bool:
    """Whether this is an address in its usual spelling; ``127.1`` and ``0x7f.1`` are not."""
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def _is_name(host: str) -> bool:
    labels = host.split(".")
    return (
        all(map(HOST_LABEL.fullmatch, labels)) and len(host) <= LONGEST_NAME and not NUMERIC_LABEL.fullmatch(labels[-1])
    )


def resolve_host(host: str, port: int) -> list[str]:
    """The addresses of a host by the system's resolver."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def allowed_addresses(target: WebhookTarget, *, reach: WebhookReach, resolve: Resolver = resolve_host) -> list[str]:
    """Where a connection may go, in order of preference. Raises TargetRefused, also where only one may not be reached.

    A name that is not known and one that leads inside are refused alike: nobody learns here which names there are.
    """
    try:
        found = list(resolve(target.host, target.port))
    except (OSError, UnicodeError):
        found = []
    local = reach == "loopback" and all(_is_loopback(address) for address in found)
    if not found or not (local or all(is_public(address) for address in found)):
        raise TargetRefused(f"{target.host} does not lead to public addresses", field="url")
    if target.scheme != "https" and not local:
        raise TargetRefused("http is not https", field="url")
    return found


def _is_loopback(address: str) -> bool:
    return ip_address(address).is_loopback


def is_public(text: str) -> bool:
    """Whether an address is one that anybody on the Internet could reach too."""
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
