"""Measure what a service that has nothing to do takes: processor time, and bytes that are written to the disk.

``python -m benchmarks.service.idle`` starts ``ted up`` in a temporary folder, lets it rest, and reads ``/proc`` (Linux)
before and after. The embedded broker, the API with its inspection processes, the sweeper and the worker count.
"""

import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from rich.table import Table

from benchmarks.harness import bars, machine
from ted_cli.local.temporary import temporary_service

MOST_OF_A_CORE, MOST_BYTES_PER_SECOND = 0.01, 100.0
"""The bars. Nothing is written but a lock that Celery's worker takes in the broker every 100 seconds."""
NAMES = {"service": "API", "worker.sweeper": "sweeper", "worker": "worker", "ted_core.datasets.inspector": "inspection"}


@dataclass(frozen=True)
class Usage:
    """What processes of one kind have used."""

    processor_seconds: float
    written_bytes: int

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.processor_seconds + other.processor_seconds, self.written_bytes + other.written_bytes)

    def since(self, before: "Usage", *, seconds: float) -> "Usage":
        """Return the use per second since then."""
        spent = self.processor_seconds - before.processor_seconds
        return Usage(spent / seconds, round((self.written_bytes - before.written_bytes) / seconds))


NOTHING = Usage(0.0, 0)


def usage() -> dict[psutil.Process, Usage]:
    """Return what each living process that this one has started has used so far."""
    living = [each for each in psutil.Process().children(recursive=True) if each.status() != psutil.STATUS_ZOMBIE]
    return {process: _usage_of(process) for process in living}


def _usage_of(process: psutil.Process) -> Usage:
    times = process.cpu_times()
    return Usage(times.user + times.system, process.io_counters().write_bytes)


def _name(process: psutil.Process) -> str:
    words = process.cmdline()
    return next((name for module, name in NAMES.items() if module in words), "broker and others")


def measure(*, settle: float, seconds: float) -> dict[str, Usage]:
    """Return what each kind of process uses per second; those that live throughout."""
    rates: dict[str, Usage] = {}
    with TemporaryDirectory() as home, temporary_service(Path(home), roots=[Path(home)]):
        time.sleep(settle)
        before = usage()
        time.sleep(seconds)
        for process, used in usage().items():
            name = _name(process)
            rate = used.since(before.get(process, used), seconds=seconds)
            rates[name] = rates.get(name, NOTHING) + rate
    return rates


def check_bars(measured: Mapping[str, Usage]) -> dict[str, bool]:
    """Say of each bar whether it holds."""
    total = sum(measured.values(), NOTHING)
    return {
        f"{total.processor_seconds:.2%} of a core, less than {MOST_OF_A_CORE:.0%}": total.processor_seconds
        < MOST_OF_A_CORE,
        f"{total.written_bytes} bytes written a second, less than {MOST_BYTES_PER_SECOND:.0f}": total.written_bytes
        < MOST_BYTES_PER_SECOND,
    }


def table(measured: Mapping[str, Usage]) -> Table:
    """Table what each kind of process uses."""
    lines = Table("process", "of a core", "bytes written/s", title="A service with nothing to do")
    for name, used in measured.items():
        lines.add_row(name, f"{used.processor_seconds:.2%}", str(used.written_bytes))
    return lines


def main() -> None:
    """Measure, print, and exit with 1 if a bar is missed."""
    parser = bars.options(__doc__)
    parser.add_argument("--settle", type=float, default=20, help="seconds before the measurement")
    parser.add_argument("--seconds", type=float, default=120, help="length of the measurement")
    arguments = parser.parse_args()
    measured = measure(settle=arguments.settle, seconds=arguments.seconds)
    checked = check_bars(measured)
    numbers = {
        "uses": {name: asdict(used) for name, used in measured.items()},
        "bars": checked,
        "machine": machine.versions(),
    }
    sys.exit(not bars.report(table(measured), checked, numbers, arguments.json))


if __name__ == "__main__":
    main()
