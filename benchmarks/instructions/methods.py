"""Rules for what to keep of the instructions."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Bool

from benchmarks.instructions.instruction_data import InstructionData, losses, untrained, without_instruction
from benchmarks.random_streams import BenchmarkStream
from ted_core.random_streams import stream_rng
from ted_core.selection.distance import distance
from ted_core.selection.prune import prune
from ted_core.selection.sampling import PoissonSampler

STRETCHES = 8
"""Stretches of length within which random rows are drawn in the numbers that TED keeps."""
Kept = Bool[np.ndarray, " samples"]


def everything(data: InstructionData) -> Kept:
    """Keep all rows."""
    return np.ones(len(data.train), bool)


def at_random(data: InstructionData) -> Kept:
    """Keep rows drawn at random."""
    return list(prune(data.train, data.plan.model_copy(update={"method": "random"}), proxy=data.proxy))[-1].retained


def by_ted(data: InstructionData) -> Kept:
    """Keep what TED does with q = 1."""
    return data.final.retained


def by_gain(data: InstructionData) -> Kept:
    """Keep rows by TED's distance of the twins' gain over the base model, as a share of the gain that was possible."""
    unseen, before = data.final.internal_generalization, np.exp(-data.base_loss)
    gained = np.clip((unseen - before) / (1 - before), 0, 1)
    sampler = PoissonSampler(data.train.groups, data.plan)
    return sampler.sample(distance(gained, data.plan.q), gained, data.count).retained


def as_long(data: InstructionData) -> Kept:
    """Keep random rows whose answers are as long as those that TED keeps."""
    rng = stream_rng(data.seed, BenchmarkStream.SAME_LENGTH)
    order = np.argsort(data.answer_lengths, kind="stable")
    kept = np.zeros(len(order), bool)
    for stretch in np.array_split(order, STRETCHES):
        kept[rng.permutation(stretch)[: data.final.retained[stretch].sum()]] = True
    return kept


def by_difficulty(data: InstructionData) -> Kept:
    """Keep the highest losses relative to those without the instruction; above 1 it misleads, and those come last."""
    alone = without_instruction(data.train)
    difficulty = data.base_loss / losses(untrained(alone, data.proxy), alone)
    kept = np.zeros(len(data.train), bool)
    kept[np.argsort(np.where(difficulty < 1, -difficulty, difficulty), kind="stable")[: data.count]] = True
    return kept


METHODS: Mapping[str, Callable[[InstructionData], Kept]] = {
    "full": everything,
    "ted": by_ted,
    "random": at_random,
    "random, as long": as_long,
    "ifd": by_difficulty,
    "ted, gain": by_gain,
}
