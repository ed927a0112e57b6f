"""Rules for what to keep of the instructions."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Bool

from benchmarks.instructions.instruction_data import InstructionData, losses, untrained_model, without_instruction
from benchmarks.random_streams import BenchmarkStream
from ted_core.random_streams import stream_rng
from ted_core.selection.distance import distance
from ted_core.selection.prune import prune
from ted_core.selection.sampling import PoissonSampler

LENGTH_BINS = 8
"""Ranges of length within each of which random rows are drawn in the numbers that TED keeps."""
RowMask = Bool[np.ndarray, " samples"]


def everything(data: InstructionData) -> RowMask:
    """Keep all rows."""
    return np.ones(len(data.train), bool)


def random_rows(data: InstructionData) -> RowMask:
    """Keep rows drawn at random."""
    return list(prune(data.train, data.plan.model_copy(update={"method": "random"}), proxy=data.proxy))[-1].retained


def ted_rows(data: InstructionData) -> RowMask:
    """Keep what TED does with q = 1."""
    return data.final.retained


def ted_gain_rows(data: InstructionData) -> RowMask:
    """Keep rows by TED's distance of the twins' gain over the base model, as a share of the gain that was possible."""
    unseen, before = data.final.internal_generalization, np.exp(-data.base_loss)
    gained = np.clip((unseen - before) / (1 - before), 0, 1)
    sampler = PoissonSampler(data.train.groups, data.plan)
    return sampler.sample(distance(gained, data.plan.q), gained, data.count).retained


def random_rows_of_equal_length(data: InstructionData) -> RowMask:
    """Keep random rows whose answers are as long as those that TED keeps."""
    rng = stream_rng(data.seed, BenchmarkStream.SAME_LENGTH)
    order = np.argsort(data.answer_lengths, kind="stable")
    kept = np.zeros(len(order), bool)
    for length_bin in np.array_split(order, LENGTH_BINS):
        kept[rng.permutation(length_bin)[: data.final.retained[length_bin].sum()]] = True
    return kept


def most_difficult_rows(data: InstructionData) -> RowMask:
    """Keep the highest losses relative to those without the instruction; above 1 it misleads, and those come last."""
    alone = without_instruction(data.train)
    difficulty = data.base_loss / losses(untrained_model(alone, data.proxy), alone)
    kept = np.zeros(len(data.train), bool)
    kept[np.argsort(np.where(difficulty < 1, -difficulty, difficulty), kind="stable")[: data.count]] = True
    return kept


METHODS: Mapping[str, Callable[[InstructionData], RowMask]] = {
    "full": everything,
    "ted": ted_rows,
    "random": random_rows,
    "random, as long": random_rows_of_equal_length,
    "ifd": most_difficult_rows,
    "ted, gain": ted_gain_rows,
}
