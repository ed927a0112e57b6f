"""A real runner on data four times as large as the memory it may use: what it takes stays within the stated bound."""

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ted_core.datasets import inspect
from ted_jobs.jobs.spec import JobSpec
from worker.messages import Assignment

MIB = 1 << 20
FIXED, PER_ROW = 320 * MIB, 250
"""Bytes that a runner takes above what it takes idle, and those for each row, as docs/running.md states them."""
TIMES = 4
ROWS_AT_A_TIME = 8192
SIDE, COLUMNS = 32, 512

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the kernel does not say what is anonymous"
)
Batches = Iterator[pa.RecordBatch]


def images(size: int) -> Batches:
    """Noise, brighter by class, that takes so many bytes once it is decoded."""
    chance = np.random.default_rng(0)
    for start, count in _blocks(size // (3 * SIDE**2)):
        labels = np.arange(start, start + count) % 10
        pixels = (
            chance.integers(0, 150, (count, SIDE, SIDE, 3), np.uint8)
            + 10 * labels.astype(np.uint8)[:, None, None, None]
        )
        yield pa.record_batch({"image": [_bitmap(image) for image in pixels], "label": labels})


def _bitmap(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "BMP")
    return buffer.getvalue()


def table(size: int) -> Batches:
    """Numbers, some of them missing, categories and free text; what a model sees of them takes so many bytes."""
    chance = np.random.default_rng(0)
    for start, count in _blocks(size // (4 * COLUMNS)):
        labels = np.arange(start, start + count) % 2
        numbers = chance.normal(size=(COLUMNS // 2, count)).astype(np.float32) + labels
        missing = chance.random(numbers.shape) < 0.01
        columns = {f"x{column}": pa.array(numbers[column], mask=missing[column]) for column in range(COLUMNS // 2)}
        texts = [f"row {row} is like no other" for row in range(start, start + count)]
        cities = np.array(["Lima", "Oslo", "Rome"])[chance.integers(0, 3, count)]
        yield pa.record_batch({**columns, "city": cities, "text": texts, "label": labels})


def _blocks(rows: int) -> Iterator[tuple[int, int]]:
    return ((start, min(ROWS_AT_A_TIME, rows - start)) for start in range(0, rows, ROWS_AT_A_TIME))


def written(path: Path, batches: Batches) -> Path:
    first = next(batches)
    with pq.ParquetWriter(path, first.schema) as file:
        for batch in chain([first], batches):
            file.write_batch(batch)
    return path


class Watched:
    """A runner, and the most anonymous memory that it was seen with."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "worker.runner"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.idle = self._at_rest()
        self.peak = self.idle

    def _at_rest(self) -> int:
        """What it takes once it waits for its assignment."""
        before, now = -1, self._anonymous()
        while now != before or now < 50 * MIB:
            time.sleep(0.5)
            before, now = now, self._anonymous()
        return now

    def _anonymous(self) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next((1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)

    def _watch(self) -> None:
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended in between
            while self.process.poll() is None:
                self.peak = max(self.peak, self._anonymous())
                time.sleep(0.002)

    def outcome(self, assignment: Assignment) -> dict[str, Any]:
        """The last message of the job."""
        watcher = Thread(target=self._watch)
        watcher.start()
        assert self.process.stdin
        assert self.process.stdout
        with self.process as process, process.stdin as lifeline:
            print(assignment.model_dump_json(), file=lifeline, flush=True)
            last = next(
                message for line in process.stdout if (message := json.loads(line))["kind"] in ("staged", "failed")
            )
        watcher.join()
        return last


def assignment(data: Path, *, task: str, memory: int) -> Assignment:
    dataset = {"uri": str(data), "task": task, "missing": "impute" if task.startswith("tabular") else "refuse"}
    proxy = {"name": "mlp", "epochs": 2, "batch_size": 1024}
    spec = JobSpec.model_validate(
        {"dataset": dataset, "proxy": proxy, "plan": {"keep_ratio": 0.5, "q": 1, "rounds": 2}}
    )
    folder = data.parent / "work"
    folder.mkdir(exist_ok=True)
    return Assignment(
        job_id="job",
        spec=spec,
        dataset_guard=inspect(spec.dataset, roots=[data.parent]).change_token,
        dataset_roots=(data.parent,),
        cache=data.parent / "cache",
        cache_bytes=16 * TIMES * memory,
        folder=folder,
        device="cpu",
        threads=2,
        memory_bytes=memory,
        max_undecodable=0,
    )


KINDS: dict[str, Callable[[int], Batches]] = {"image-classification": images, "tabular-classification": table}


LARGE = (pytest.mark.slow, pytest.mark.timeout(3600))


@pytest.mark.parametrize(
    ("task", "memory"),
    [
        ("image-classification", 16 * MIB),  # tells that nothing fails; the bound itself is told by the larger ones
        ("tabular-classification", 64 * MIB),
        pytest.param("image-classification", 64 * MIB, marks=LARGE),
        pytest.param("image-classification", 256 * MIB, marks=LARGE),
        pytest.param("tabular-classification", 256 * MIB, marks=LARGE),
    ],
)
def test_a_runner_stays_within_its_memory(tmp_path: Path, task: str, memory: int) -> None:
    data = written(tmp_path / "data.parquet", KINDS[task](TIMES * memory))
    runner = Watched()

    outcome = runner.outcome(assignment(data, task=task, memory=memory))

    assert outcome["kind"] == "staged", outcome
    taken, rows = runner.peak - runner.idle, outcome["result"]["rows_in"]
    assert taken <= FIXED + PER_ROW * rows, f"{taken // MIB} MiB above {runner.idle // MIB}"
    (kept,) = (tmp_path / "cache").iterdir()
    assert kept.stat().st_size >= TIMES * memory
