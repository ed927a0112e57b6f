"""Which connections a server keeps when there are too many: those that wait make room for those that come."""

from collections import Counter
from typing import Protocol


class ClientConnection(Protocol):
    """What the table has to know of a connection."""

    @property
    def address(self) -> str:
        """Return whose connection it is; never empty."""

    @property
    def is_proxy(self) -> bool:
        """Return whether the address is a proxy's, whose connections are those of many clients."""

    def abort(self) -> None:
        """Close it at once."""


class ConnectionTable:
    """All connections of a server, and those among them that wait for a request or the rest of one.

    Nothing is lost with one that waits: its client has not been promised anything. Lives on one event loop.
    """

    def __init__(self, *, most: int, most_per_address: int) -> None:
        self.most = most
        self.most_per_address = most_per_address
        self._addresses: dict[ClientConnection, str] = {}
        self._counts: Counter[str] = Counter()
        self._waiting: dict[str, dict[ClientConnection, None]] = {}

    def __len__(self) -> int:
        return len(self._addresses)

    def add(self, connection: ClientConnection) -> bool:
        """Return whether the connection may stay. If there are too many, one that has waited longest makes room: one of
        the same address, if that has too many and is no proxy's, otherwise one of the address of which most wait."""
        address = connection.address
        if self._counts[address] >= self.most_per_address and not connection.is_proxy:
            has_room = self._close_longest_waiting(address)
        else:
            has_room = len(self) < self.most or self.close_one()
        if has_room:
            self._addresses[connection] = address
            self._counts[address] += 1
            self.wait(connection)
        return has_room

    def wait(self, connection: ClientConnection) -> None:
        """Take note that the connection waits for its client from now on."""
        if connection in self._addresses:
            self._waiting.setdefault(self._addresses[connection], {})[connection] = None

    def serve(self, connection: ClientConnection) -> None:
        """Take note that the connection's request has come as a whole, and is answered now."""
        waiting = self._waiting.get(self._addresses.get(connection, ""), {})
        if connection in waiting:
            del waiting[connection]
            if not waiting:
                del self._waiting[self._addresses[connection]]

    def remove(self, connection: ClientConnection) -> None:
        """Forget the connection; nothing happens if it was forgotten before."""
        self.serve(connection)
        if address := self._addresses.pop(connection, None):
            self._counts[address] -= 1
            if not self._counts[address]:
                del self._counts[address]

    def close_one(self) -> bool:
        """Close the one that has waited longest at the address of which most wait; return whether there was one."""
        busiest = max(self._waiting, key=lambda address: len(self._waiting[address]), default="")
        return self._close_longest_waiting(busiest)

    def _close_longest_waiting(self, address: str) -> bool:
        longest_waiting = next(iter(self._waiting.get(address, ())), None)
        if longest_waiting is None:
            return False
        self.remove(longest_waiting)
        longest_waiting.abort()
        return True
