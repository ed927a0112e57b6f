"""Which ranks of a job are on this host."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Seats:
    """This host's ranks, one for each of its devices, among those of equally many on every host."""

    devices: tuple[str, ...]
    node: int = 0
    """The number of this host."""
    nodes: int = 1

    @property
    def size(self) -> int:
        """Return how many ranks work on the job, on all hosts."""
        return self.nodes * len(self.devices)

    @property
    def numbers(self) -> range:
        """Return the ranks of this host."""
        first = self.node * len(self.devices)
        return range(first, first + len(self.devices))

    def device(self, rank: int) -> str:
        """Return the device of one of them."""
        return self.devices[rank - self.numbers.start]
