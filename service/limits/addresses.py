"""Whom limits for each address are about."""

from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address


@lru_cache(10_000)
def client_network(host: str) -> str:
    """Return an IPv4 address as it is, and of an IPv6 address the /64 network that one user has.

    A socket for both shows IPv4 addresses as ::ffff:192.0.2.1.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    return str(address.ipv4_mapped or IPv6Network((address, 64), strict=False))
