"""Rules for what to keep of the instructions."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Bool

from benchmarks.instructions.lesson import Lesson, losses, untrained, without_instruction
from benchmarks.random_streams import BenchmarkStream
from ted_core.random_streams import stream_rng
from ted_core.selection.distance import distance
from ted_core.selection.prune import prune
from ted_core.selection.sampling import PoissonSampler

STRETCHES = 8
"""Stretches of length within which random rows are drawn in the numbers that TED keeps."""
Kept = Bool[np.ndarray, " samples"]


def everything(lesson: Lesson) -> Kept:
    """Keep all rows."""
    return np.ones(len(lesson.train), bool)


def at_random(lesson: Lesson) -> Kept:
    """Keep rows drawn at random."""
    return list(prune(lesson.train, lesson.plan.model_copy(update={"method": "random"}), proxy=lesson.proxy))[
        -1
    ].retained


def by_ted(lesson: Lesson) -> Kept:
    """Keep what TED does with q = 1."""
    return lesson.final.retained


def by_gain(lesson: Lesson) -> Kept:
    """Keep rows by TED's distance of the twins' gain over the base model, as a share of the gain that was possible."""
    unseen, before = lesson.final.internal_generalization, np.exp(-lesson.base_loss)
    gained = np.clip((unseen - before) / (1 - before), 0, 1)
    sampler = PoissonSampler(lesson.train.groups, lesson.plan)
    return sampler.sample(distance(gained, lesson.plan.q), gained, lesson.count).retained


def as_long(lesson: Lesson) -> Kept:
    """Keep random rows whose answers are as long as those that TED keeps."""
    rng = stream_rng(lesson.seed, BenchmarkStream.SAME_LENGTH)
    order = np.argsort(lesson.answer_lengths, kind="stable")
    kept = np.zeros(len(order), bool)
    for stretch in np.array_split(order, STRETCHES):
        kept[rng.permutation(stretch)[: lesson.final.retained[stretch].sum()]] = True
    return kept


def by_difficulty(lesson: Lesson) -> Kept:
    """Keep the highest losses relative to those without the instruction; above 1 it misleads, and those come last."""
    alone = without_instruction(lesson.train)
    difficulty = lesson.base_loss / losses(untrained(alone, lesson.proxy), alone)
    kept = np.zeros(len(lesson.train), bool)
    kept[np.argsort(np.where(difficulty < 1, -difficulty, difficulty), kind="stable")[: lesson.count]] = True
    return kept


METHODS: Mapping[str, Callable[[Lesson], Kept]] = {
    "full": everything,
    "ted": by_ted,
    "random": at_random,
    "random, as long": as_long,
    "ifd": by_difficulty,
    "ted, gain": by_gain,
}
