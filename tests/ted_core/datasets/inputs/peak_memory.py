"""How much memory a process that a test starts has taken."""

PEAK_MEGABYTES = """
import resource
from pathlib import Path

def peak_megabytes():
    # What getrusage says on Linux includes the process that has started this one.
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 20
    return next(int(line.split()[1]) >> 10 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
"""
"""Source text that defines ``peak_megabytes()``."""
