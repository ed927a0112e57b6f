"""``python -m worker.doctor.probe``: exit with status 0 if a worker of this machine answers; for health checks.

It answers through the broker, also while it runs a job. Nothing should be restarted on this alone: while the broker is
down no worker answers, and their jobs go on.
"""

import socket
import sys

from kombu.exceptions import OperationalError

from ted_jobs.queue.celery import celery_app
from ted_jobs.settings import Settings

TIMEOUT_SECONDS = 5


def main() -> None:
    """Ask once."""
    host = socket.gethostname()
    control = celery_app(Settings()).control
    try:
        answers = control.ping(timeout=TIMEOUT_SECONDS, pattern=f"ted-*@{host}", matcher="glob", limit=1)
    except OperationalError as error:
        sys.exit(f"The broker does not answer: {error}")
    if not answers:
        sys.exit(f"No worker on {host} answers")


if __name__ == "__main__":
    main()
