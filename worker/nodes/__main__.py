"""``python -m worker.nodes``: a host that takes part in the jobs of a worker on another host.

It never loads torch. It waits at the rendezvous, where that worker's runner listens while it has a job, and starts a
process for each job.
"""

import signal
import socket
import subprocess
import time
from typing import NoReturn

import structlog

from ted_core.python_process import computing_environment, module_command
from ted_jobs.logs import configure_logging
from ted_jobs.settings import Settings

log = structlog.get_logger()

GUEST_COMMAND = module_command("worker.nodes.guest")
PAUSE_SECONDS, TIMEOUT_SECONDS = 1.0, 5.0
"""Between two looks whether there is a job, and how long one look may take."""


def main() -> NoReturn:
    """Take part in one job after the other, until SIGTERM."""
    settings = Settings()
    configure_logging(settings.log_level)
    signal.signal(signal.SIGTERM, lambda *_: _exit())
    while True:
        if is_open(settings.rendezvous):
            log.info("seat taken", rendezvous=settings.rendezvous, node=settings.node_rank)
            status = take_part()
            log.info("seat left", status=status)
        time.sleep(PAUSE_SECONDS)


def _exit() -> NoReturn:
    raise SystemExit(0)


def is_open(address: str) -> bool:
    """Return whether a job's runner listens there."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=TIMEOUT_SECONDS).close()
    except OSError:
        return False
    return True


def take_part() -> int:
    """Run the process for one job, and return its exit status. It ends with this process."""
    with subprocess.Popen(GUEST_COMMAND, stdin=subprocess.PIPE, env=computing_environment()) as guest:  # noqa: S603 - our own module
        try:
            return guest.wait()
        finally:
            guest.kill()


if __name__ == "__main__":
    main()
