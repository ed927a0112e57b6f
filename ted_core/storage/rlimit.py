"""A ceiling on the memory of this process: it fails before the machine does."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STATUS = Path("/proc/self/status")
PER_UNIT = 1024


def limit_memory(size: int) -> None:
    """Let this process have so many bytes of data beside those that it has; asked for more, allocations fail.

    Data are what is neither code nor mapped from a file, on a GPU or shared. Where the system does not say how much
    there is already, all of it counts. A lower ceiling that somebody else has set stays.
    """
    _, lowest = resource.getrlimit(resource.RLIMIT_DATA)
    ceiling = _data() + size
    if lowest == resource.RLIM_INFINITY or ceiling < lowest:
        resource.setrlimit(resource.RLIMIT_DATA, (ceiling, ceiling))


@contextmanager
def limited_memory(size: int) -> Iterator[None]:
    """Let this process have so many further bytes of data inside the ``with`` block; asked for more, allocations fail.

    A lower ceiling stays. Where the system does not say how much there is already, nothing is limited.
    """
    previous, highest = resource.getrlimit(resource.RLIMIT_DATA)
    ceilings = [ceiling for ceiling in (previous, highest) if ceiling != resource.RLIM_INFINITY]
    if present := _data():
        resource.setrlimit(resource.RLIMIT_DATA, (min([present + size, *ceilings]), highest))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (previous, highest))


def _data() -> int:
    if not STATUS.exists():
        return 0
    fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(fields["VmData"].split()[0]) * PER_UNIT
