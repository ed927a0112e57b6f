"""How fast each proxy that starts from nothing trains on this device: batches of noise, for two seconds at most."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
import torch

from ted_core.datasets import Samples
from ted_core.machine.device import describe_device, resolve_device
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.proxies.build import build
from ted_core.training.trainer import Trainer, batches_of
from ted_jobs.db.throughputs import Throughput

CLASSES = 10
MOST_SECONDS = 2.0
"""For all of them; those whose turn has not come by then are left to the first jobs."""


@dataclass(frozen=True)
class SpeedTrial:
    """One proxy on inputs of one shape."""

    proxy: str
    shape: tuple[int, ...]
    share: float
    """Of the seconds that all trials may take."""
    rows_on_cpu: int | None = None
    """Fewer rows than a batch has, where a batch alone would take all the time."""

    def rows(self, device: str) -> int:
        """Return how many rows an epoch has."""
        few = self.rows_on_cpu if device == "cpu" else None
        return few or resolve_proxy(ProxySpec(name=self.proxy)).training.batch_size


SPEED_TRIALS = (
    SpeedTrial("mlp", (16,), 0.1),
    SpeedTrial("mlp", (3, 32, 32), 0.1),
    SpeedTrial("cnn", (1, 16, 16), 0.15),
    SpeedTrial("cnn", (3, 32, 32), 0.2),
    SpeedTrial("resnet9", (3, 32, 32), 0.1, rows_on_cpu=32),
    SpeedTrial("resnet18", (3, 32, 32), 0.25, rows_on_cpu=4),
)
"""The usual sizes: what lies between them is interpolated."""
WARM_UP = SpeedTrial("mlp", (2,), 0.0)
"""Torch loads some of itself only when it first trains."""


def measured_throughputs(
    worker: str, *, device: str, threads: int, clock: Callable[[], float] = time.monotonic
) -> Iterator[Throughput]:
    """Yield what each trial has measured. Raises DeviceMissing."""
    torch.set_num_threads(threads)
    device = resolve_device(device)
    description = describe_device(device)
    _epoch(WARM_UP, device)()
    end = clock() + MOST_SECONDS
    for trial in SPEED_TRIALS:
        if clock() < end:
            deadline = min(end, clock() + trial.share * MOST_SECONDS)
            rate = _rows_per_second(trial, device, deadline=deadline, clock=clock)
            yield Throughput(worker, description, trial.proxy, None, prod(trial.shape), rate)


def _rows_per_second(trial: SpeedTrial, device: str, *, deadline: float, clock: Callable[[], float]) -> float:
    """The rate of the fastest epoch until the deadline: whatever else the machine does makes the others slower."""
    train = _epoch(trial, device)
    train()  # the first one also chooses algorithms and allocates memory
    seconds: list[float] = []
    while not seconds or clock() < deadline:
        begin = clock()
        train()
        seconds.append(clock() - begin)
    return trial.rows(device) / min(seconds)


def _epoch(trial: SpeedTrial, device: str) -> Callable[[], float]:
    """A function that trains the trial's proxy on one batch of noise, and waits for the device."""
    proxy = resolve_proxy(ProxySpec(name=trial.proxy))
    rows = np.arange(trial.rows(device))
    samples = _noise(trial.shape, len(rows))
    table = batches_of(samples, proxy, device=device)
    trainer = Trainer(build(proxy, samples, seed=0), proxy, device=device)
    return lambda: trainer.train_epoch(table, rows, number=0, rng=np.random.default_rng(0))


def _noise(shape: tuple[int, ...], rows: int) -> Samples:
    """Random inputs of this shape, pixels if they are images."""
    rng = np.random.default_rng(0)
    is_image = len(shape) > 1
    inputs = rng.integers(0, 256, (rows, *shape), np.uint8) if is_image else rng.random((rows, *shape), np.float32)
    labels = (np.arange(rows) % CLASSES).astype(np.int64)
    classes = tuple(map(str, range(CLASSES)))
    return Samples(inputs, labels, classes, np.arange(rows, dtype=np.uint64), rows=rows)
