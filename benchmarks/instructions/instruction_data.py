"""Instructions from Alpaca to learn from, others to be judged by, and the model that learns."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Float32

from benchmarks.random_streams import BenchmarkStream
from ted_core.datasets import Dialogues, Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.proxies.build import build
from ted_core.random_streams import stream_rng
from ted_core.selection.prune import prune
from ted_core.selection.rounds import Round
from ted_core.training.batches import measure_rows
from ted_core.training.trainer import Trainer, batches_of

FILE = "alpaca_9k/random_9k.json"


@dataclass(frozen=True)
class InstructionData:
    """Instructions to learn from and to be judged by, and what several methods need of them, computed at most once."""

    train: Samples
    test: Samples
    proxy: ProxySpec
    seed: int
    keep_ratio: float

    @property
    def plan(self) -> PruningPlan:
        """The plan of a loop whose exponent is given."""
        return PruningPlan(keep_ratio=self.keep_ratio, seed=self.seed, q=1.0)

    @property
    def count(self) -> int:
        """How many rows to keep."""
        return self.plan.rows_kept(len(self.train))

    @cached_property
    def final(self) -> Round:
        """The last round of TED's loop."""
        return list(prune(self.train, self.plan, proxy=self.proxy))[-1]

    @cached_property
    def base_loss(self) -> Float32[np.ndarray, " samples"]:
        """The model's loss on the training answers before it has learned anything."""
        return losses(untrained_model(self.train, self.proxy), self.train)

    @cached_property
    def answer_lengths(self) -> Float[np.ndarray, " samples"]:
        """The number of characters of every training answer."""
        return np.array([len(turns[-1]["content"]) for turns in _turns(self.train)], float)


def untrained_model(samples: Samples, proxy: ProxySpec) -> Trainer:
    """Return a fresh adapter, which changes nothing."""
    training = resolve_proxy(proxy)
    return Trainer(build(training, samples, seed=0), training, device="cpu")


@torch.inference_mode()
def losses(trainer: Trainer, samples: Samples) -> Float32[np.ndarray, " samples"]:
    """Return the mean loss over the tokens of every answer, in nats."""
    trainer.model.eval()
    batches = batches_of(samples, trainer.proxy)
    return measure_rows(batches, np.arange(len(samples)), lambda x, y: batches.task.loss(trainer.model(x), y))


def read(data: Path, *, rows: int, seed: int) -> tuple[Samples, Samples]:
    """Draw instructions by the seed: those to learn from, and as many others."""
    records = json.loads((data / FILE).read_text())
    drawn = stream_rng(seed, BenchmarkStream.INSTRUCTIONS).permutation(len(records))[: 2 * rows]
    chosen = [records[row] for row in drawn]
    return dialogues(chosen[:rows]), dialogues(chosen[rows:])


def dialogues(records: Sequence[Mapping[str, str]]) -> Samples:
    """Return Alpaca's records, each as an instruction with its input, and the output."""
    return _samples([_turn_pair(_question(record), record["output"]) for record in records])


def _question(record: Mapping[str, str]) -> str:
    return "\n\n".join(filter(None, (record["instruction"], record["input"])))


def without_instruction(samples: Samples) -> Samples:
    """Return the same answers to an empty instruction."""
    return _samples([_turn_pair("", turns[-1]["content"]) for turns in _turns(samples)])


def _turn_pair(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _turns(samples: Samples) -> list[list[dict[str, str]]]:
    assert isinstance(samples.inputs, Dialogues), "instructions are dialogues"  # noqa: S101
    turns: list[list[dict[str, str]]] = samples.inputs.turns.to_pylist()
    return turns


def _samples(turns: list[list[dict[str, str]]]) -> Samples:
    rows = np.arange(len(turns), dtype=np.uint64)
    return Samples(Dialogues(pa.chunked_array([pa.array(turns)])), np.zeros(len(rows), int), (), rows, rows=len(rows))
