"""How many rows a worker trains on in a second, from a job that it has run. Torch-free, for the supervisor."""

import socket
from math import prod

from ted_core.datasets import Samples
from ted_core.proxies import ResolvedProxy
from ted_core.selection.rounds import Round
from ted_core.selection.workload import row_work
from ted_jobs.db.throughputs import Throughput
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.settings import Settings
from worker.messages import Speed

SHORTEST_SECONDS = 1.0
"""A shorter run says more about its beginning than about its rows."""


def job_speed(
    samples: Samples, proxy: ResolvedProxy, final: Round, *, device: str, seconds: float, spec: JobSpec
) -> Speed | None:
    """Return how fast the loop has trained; None if it was too short, or trained otherwise than the proxy usually does.

    ``device`` is its description. Another batch size or precision, or part of the model, would say little about the
    jobs of others.
    """
    rows = row_work(final.samples_trained, final.samples_measured)
    if seconds < SHORTEST_SECONDS or rows == 0 or not _is_usual(proxy, spec):
        return None
    return Speed(device=device, input_size=prod(samples.input_shape or (0,)), rows_per_second=rows / seconds)


def _is_usual(proxy: ResolvedProxy, spec: JobSpec) -> bool:
    training = proxy.training
    usual = training.batch_size == proxy.family.batch_size and proxy.batch_parts == 1 and not proxy.frozen_blocks
    usual = usual and training.precision != "bfloat16"
    return usual and spec.plan.method == "ted" and spec.plan.score != "parameter"


def job_throughput(speed: Speed, spec: JobSpec, settings: Settings) -> Throughput:
    """Return what is stored of a job's speed."""
    return Throughput(
        worker=worker_kind(settings),
        device=speed.device,
        proxy=spec.proxy.name,
        model=spec.proxy.model,
        input_size=speed.input_size,
        rows_per_second=speed.rows_per_second,
    )


def worker_kind(settings: Settings) -> str:
    """Return what decides about a worker's speed: its machine and how much of it runners may use."""
    device = ",".join(settings.devices) or settings.device
    several = "" if settings.ranks == 1 else f" in {settings.ranks} ranks"
    return f"{socket.gethostname()[:200]} {device} {settings.threads}{several}"
