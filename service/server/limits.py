"""How many connections a server takes, and how long it waits for them."""

import resource
from dataclasses import dataclass
from typing import Self

from ted_jobs.settings import Settings

RESERVED_FILES = 256
"""Files that the process opens for other things than clients: databases, datasets, the log."""
FILES_PER_CONNECTION = 2
"""The connection itself, and the file that is sent over it."""
MOST_CONNECTIONS = 4096
"""As many as are taken by default, however many files may be open: each takes memory as well."""
LEAST_CONNECTIONS = 16


@dataclass(frozen=True)
class ServerLimits:
    """The limits of one server; times in seconds."""

    connections: int
    connections_per_address: int
    """Of one IPv4 address or IPv6 /64 that is no proxy's (``FORWARDED_ALLOW_IPS``)."""
    head: float
    """From the first byte of a request, or from the beginning of the connection, to the end of its headers."""
    body: float
    """From the end of the headers to the end of the body."""
    idle: float
    """From a response to the next request."""
    send: float
    """How long a client may read nothing of what it is sent."""

    @classmethod
    def of(cls, settings: Settings, *, open_files: int) -> Self:
        """Return the settings' limits, where they leave a choice for a process that may have so many files open."""
        connections = settings.most_connections or default_connections(open_files)
        per_address = settings.most_connections_per_address
        return cls(
            connections=connections,
            connections_per_address=max(connections // 2, 1) if per_address is None else per_address or connections,
            head=settings.head_seconds,
            body=settings.body_seconds,
            idle=settings.keep_alive_seconds,
            send=settings.send_seconds,
        )


def default_connections(open_files: int) -> int:
    """Return how many connections leave room for everything else that needs a file."""
    return min(max((open_files - RESERVED_FILES) // FILES_PER_CONNECTION, LEAST_CONNECTIONS), MOST_CONNECTIONS)


def raise_open_files() -> int:
    """Raise the limit on open files as far as this process may (RLIMIT_NOFILE), and return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
