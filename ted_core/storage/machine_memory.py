"""How much memory this process may use: the machine's, or less if a control group says so."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

RESERVE, RESERVED_SHARE = 2 << 30, 4
"""What the default ceiling of a runner leaves to all other processes: so many bytes, or one part in so many if less."""
LEAST = 1 << 28
"""No runner gets by on less."""
LIMIT_FILES = {"": "memory.max", "memory": "memory/memory.limit_in_bytes"}
"""Control groups of version 2 and of version 1: the controller in /proc/self/cgroup, and the limit's place."""


def machine_memory(root: Path = Path("/")) -> int:
    """Return the bytes that this process may use: the machine's memory, or the lowest limit of its control groups."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *_limits(root)])


def half_of_the_memory() -> int:
    """Return half of that memory: what a job is planned for."""
    return max(machine_memory() // 2, LEAST)


def default_ceiling() -> int:
    """Return that memory but for a reserve: what the kernel gives a runner at most."""
    memory = machine_memory()
    return max(memory - min(RESERVE, memory // RESERVED_SHARE), LEAST)


def _limits(root: Path) -> Iterator[int]:
    """The limits of the control groups that this process is in, and of those that these are in."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in controllers.split(","):
                if controller in LIMIT_FILES:
                    yield from _limits_above(root / "sys/fs/cgroup" / LIMIT_FILES[controller], path)


def _limits_above(top: Path, path: str) -> Iterator[int]:
    """The limits of a group and those above it; in a container the path may be the host's, and only the top exists."""
    group = Path(path.strip("/"))
    for folder in (group, *group.parents):
        with suppress(OSError, ValueError):  # "max" is no number
            yield int((top.parent / folder / top.name).read_text())
