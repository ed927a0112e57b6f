"""``python -m worker.timing.benchmark``: measures how fast this worker trains, unless it has done so lately.

A worker starts this beside itself, so that jobs can be estimated before the first one has run. It takes no more than
two seconds and the time to load torch. Standard input is its lifeline: it ends with the worker.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import structlog
from sqlalchemy.exc import DBAPIError

from ted_core.python_process import computing_environment, module_command
from ted_jobs.db import throughputs
from ted_jobs.db.engine import make_engine
from ted_jobs.logs import configure_logging
from ted_jobs.settings import Settings
from worker.timing.throughput import worker_kind

log = structlog.get_logger()

COMMAND = module_command("worker.timing.benchmark")
FIRST_PROXY = "mlp"
"""It is measured first: a worker that has its speed has, as a rule, all."""
STOP_SECONDS = 5


@contextmanager
def running_benchmark(settings: Settings) -> Iterator["subprocess.Popen[bytes] | None"]:
    """Run the block beside a benchmark, if the settings want one; it ends with the block at the latest."""
    if not settings.measure_throughput:
        yield None
        return
    process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, env=computing_environment())  # noqa: S603 - our own module
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=STOP_SECONDS)


def main() -> None:
    """Measure and store the speed of every proxy that needs no pretrained model; log what goes wrong."""
    settings = Settings()
    configure_logging(settings.log_level)
    Thread(target=_exit_with_worker, daemon=True).start()
    engine = make_engine(settings.database)
    worker = worker_kind(settings)
    try:
        if throughputs.is_fresh(engine, worker, proxy=FIRST_PROXY):
            return
        from worker.timing.speed_test import measured_throughputs  # noqa: PLC0415 - torch takes seconds to load

        for measured in measured_throughputs(worker, device=settings.device, threads=settings.threads):
            throughputs.record(engine, measured)
            log.info("speed measured", proxy=measured.proxy, rows_per_second=round(measured.rows_per_second))
    except DBAPIError as error:
        log.warning("speed not stored", error=str(error.orig))
    except Exception as error:  # jobs will say what is wrong with the device; estimates do without
        log.warning("speed not measured", error=str(error))
    finally:
        engine.dispose()


def _exit_with_worker() -> None:
    sys.stdin.read()
    os._exit(os.EX_TEMPFAIL)


if __name__ == "__main__":
    main()
