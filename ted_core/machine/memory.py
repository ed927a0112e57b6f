"""How much memory this process may use: the machine's, or less if a control group says so."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ted_core.machine.control_groups import group_folders

RESERVE, RESERVED_SHARE = 2 << 30, 4
"""What the default ceiling of a runner leaves to all other processes: so many bytes, or one part in so many if less."""
LEAST = 1 << 28
"""No runner gets by on less."""
LIMIT_FILES = ("memory.max", "memory.limit_in_bytes")
"""Of a control group of version 2 and of version 1."""


def machine_memory(root: Path = Path("/")) -> int:
    """Return the bytes that this process may use: the machine's memory, or the lowest limit of its control groups."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *_limits(root)])


def half_of_the_memory(*, workers: int = 1) -> int:
    """Return half of that memory, shared by so many workers: what a job is planned for."""
    return max(machine_memory() // 2 // workers, LEAST)


def default_ceiling(*, workers: int = 1) -> int:
    """Return that memory but for a reserve, shared by so many workers: what the kernel gives a runner at most."""
    memory = machine_memory()
    return max((memory - min(RESERVE, memory // RESERVED_SHARE)) // workers, LEAST)


def _limits(root: Path) -> Iterator[int]:
    for folder in group_folders("memory", root):
        for name in LIMIT_FILES:
            with suppress(OSError, ValueError):  # "max" is no number
                yield int((folder / name).read_text())
