"""What loading a dataset may take of the machine."""

from dataclasses import dataclass
from pathlib import Path

from ted_core.errors import DatasetTooLarge

INPUTS_SHARE = 4
"""Inputs may take a quarter of the memory; reading, training and what is known of each row take the rest."""


@dataclass(frozen=True)
class Limits:
    """How loading may use the machine, and what it tolerates."""

    threads: int = 1
    memory_bytes: int | None = None
    max_undecodable: float = 0.01
    """The share of images that may be left out because they cannot be decoded."""
    cache: Path | None = None
    """The folder for what does not fit into memory, and for what is kept for later jobs."""
    cache_bytes: int | None = None
    """What that folder may hold."""
    identity: str = ""
    """Distinguishes the dataset's content from any other; without it, nothing decoded is kept."""

    def in_memory(self, size: int, description: str) -> bool:
        """Return whether this many bytes are held in memory rather than in a file.

        Raises DatasetTooLarge, which calls them ``description``, if neither has room.
        """
        if self.memory_bytes is None or size * INPUTS_SHARE <= self.memory_bytes:
            return True
        available = self.cache_bytes if self.cache else self.memory_bytes
        if available is not None and size > available:
            raise DatasetTooLarge(f"{description} take {size:,} bytes", field="dataset.uri")
        return self.cache is None

    def refuse_beyond(self, size: int, description: str) -> None:
        """Raise DatasetTooLarge if ``size`` bytes, which can only be held in memory, do not fit into it."""
        if self.memory_bytes and size > self.memory_bytes:
            raise DatasetTooLarge(f"{description} take {size:,} bytes", field="dataset.uri")
