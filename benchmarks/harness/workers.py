"""Run tasks in worker processes. Results are left in files: a run may be stopped at any time."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.queues import Queue
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

import numpy as np
import torch
from rich.console import Console

from benchmarks.datasets import digits
from benchmarks.fresh_models import train_fresh_model
from ted_core.proxies import ProxySpec, resolve_proxy

Say = Callable[[str], None]
AnyTask = TypeVar("AnyTask")


def run(tasks: Sequence[AnyTask], work: Callable[[AnyTask, Say], None], *, jobs: int, threads: int = 1) -> None:
    """Run each task in the first free process, and return when all are done or the user interrupts."""
    context = multiprocessing.get_context("spawn")
    waiting: Queue[Any] = context.Queue()
    for task in [*tasks, *[None] * jobs]:
        waiting.put(task)
    processes = [context.Process(target=_work, args=(waiting, work, threads), daemon=True) for _ in range(jobs)]
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.join()
    except KeyboardInterrupt:
        for process in processes:
            process.terminate()


def _work(waiting: "Queue[Any]", work: Callable[[Any, Say], None], threads: int) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    _warm_up()
    say = partial(Console(stderr=True).print, soft_wrap=True, highlight=False)
    while task := waiting.get():
        work(task, say)


def _end_with_parent() -> None:
    """Exit when the parent does: a parent that is killed cannot end its children."""
    parent = multiprocessing.parent_process()
    assert parent, "a worker has one"  # noqa: S101
    parent.join()
    os._exit(1)


def _warm_up() -> None:
    """Do what a process does only once, such as loading torch's optimizers, before the first task is timed."""
    train, _ = digits(Path(), Path())
    train_fresh_model(train, [np.arange(len(train))], proxy=resolve_proxy(ProxySpec(name="mlp")), seed=0)
