"""Instructions from Alpaca to learn from, others to be judged by, and the model that learns."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Bool, Float, Float32

from benchmarks.harness.storage import durably
from benchmarks.random_streams import BenchmarkStream
from ted_core.datasets import Dialogues, Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.build import build
from ted_core.proxies.pretrained.tokenization import tokenize
from ted_core.random_streams import stream_rng
from ted_core.selection.prune import prune
from ted_core.training.batches import measure_rows
from ted_core.training.features import prepare_samples
from ted_core.training.trainer import Trainer, batches_of

FILE = "alpaca_9k/random_9k.json"
RowMask = Bool[np.ndarray, " samples"]


@dataclass(frozen=True)
class Sizes:
    """Which instructions are drawn; the draw is the same for every seed, so that all share what is computed of them."""

    rows: int
    """To learn from."""
    test_rows: int
    """To be judged by."""
    longest: int
    """Only conversations of at most so many tokens, as the model's chat template writes them, are drawn."""

    @property
    def name(self) -> str:
        """All of it, as part of a file's name."""
        return f"rows{self.rows}-test{self.test_rows}-longest{self.longest}"


@dataclass(frozen=True)
class InstructionData:
    """Instructions to learn from and to be judged by, and what several methods need of them, computed at most once."""

    train: Samples
    test: Samples
    proxy: ResolvedProxy
    seed: int
    keep_ratio: float
    folder: Path
    """For selections, which take long; a run that was stopped finds them there."""

    @property
    def plan(self) -> PruningPlan:
        """The default plan."""
        return PruningPlan(keep_ratio=self.keep_ratio, seed=self.seed)

    @property
    def count(self) -> int:
        """How many rows to keep."""
        return self.plan.rows_kept(len(self.train))

    def pruned(self, **changes: object) -> RowMask:
        """What the service's own loop keeps with the default plan but for these changes."""
        return list(prune(self.train, self.plan.model_copy(update=changes), proxy=self.proxy))[-1].retained

    def selected(self, name: str, select: Callable[["InstructionData"], RowMask]) -> RowMask:
        """What is selected, or was by an earlier run."""
        path = self.folder / f"{name}-kept{self.keep_ratio:g}-seed{self.seed}.npy"
        if not path.exists():
            with durably(path) as unfinished:
                np.save(unfinished, select(self))
        return np.asarray(np.load(path), bool)

    @cached_property
    def base_loss(self) -> Float32[np.ndarray, " samples"]:
        """The model's loss on the training answers before it has learned anything."""
        return losses(untrained_model(self.train, self.proxy), self.train)

    @cached_property
    def answer_lengths(self) -> Float[np.ndarray, " samples"]:
        """The number of characters of every training answer."""
        return np.array([len(turns[-1]["content"]) for turns in _turns(self.train)], float)


def untrained_model(samples: Samples, proxy: ResolvedProxy) -> Trainer:
    """Return a fresh adapter, which changes nothing."""
    return Trainer(build(proxy, samples, seed=0), proxy, device="cpu")


@torch.inference_mode()
def losses(trainer: Trainer, samples: Samples) -> Float32[np.ndarray, " samples"]:
    """Return the mean loss over the tokens of every answer, in nats."""
    trainer.model.eval()
    batches = batches_of(prepare_samples(samples, trainer.proxy), trainer.proxy)
    return measure_rows(batches, np.arange(len(samples)), lambda x, y: batches.task.loss(trainer.model(x), y))


def read(data: Path, sizes: Sizes, proxy: ResolvedProxy, *, cache: Path) -> tuple[Samples, Samples]:
    """Draw the instructions to learn from and, among the others, those to be judged by, ready for the proxy."""
    records = json.loads((data / FILE).read_text())
    everything = replace(dialogues(records), cache=cache)
    short = np.flatnonzero(tokenize(everything, proxy.pretrained_model).lengths <= sizes.longest)
    drawn = stream_rng(0, BenchmarkStream.INSTRUCTIONS).permutation(short)[: sizes.rows + sizes.test_rows]
    parts = drawn[: sizes.rows], drawn[sizes.rows :]
    train, test = (replace(dialogues([records[row] for row in part]), cache=cache) for part in parts)
    return prepare_samples(train, proxy), prepare_samples(test, proxy)


def dialogues(records: Sequence[Mapping[str, str]]) -> Samples:
    """Return Alpaca's records, each as an instruction with its input, and the output."""
    return _samples([_turn_pair(_question(record), record["output"]) for record in records])


def _question(record: Mapping[str, str]) -> str:
    return "\n\n".join(filter(None, (record["instruction"], record["input"])))


def without_instruction(samples: Samples) -> Samples:
    """Return the same answers to an empty instruction."""
    return replace(_samples([_turn_pair("", turns[-1]["content"]) for turns in _turns(samples)]), cache=samples.cache)


def _turn_pair(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _turns(samples: Samples) -> list[list[dict[str, str]]]:
    assert isinstance(samples.inputs, Dialogues), "instructions are dialogues"  # noqa: S101
    turns: list[list[dict[str, str]]] = samples.inputs.turns.to_pylist()
    return turns


def _samples(turns: list[list[dict[str, str]]]) -> Samples:
    rows = np.arange(len(turns), dtype=np.uint64)
    return Samples(Dialogues(pa.chunked_array([pa.array(turns)])), np.zeros(len(rows), int), (), rows, rows=len(rows))
