"""Rules for what to keep of the instructions."""

from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.instructions.instruction_data import (
    InstructionData,
    RowMask,
    losses,
    untrained_model,
    without_instruction,
)
from benchmarks.random_streams import BenchmarkStream
from ted_core.random_streams import stream_rng

LENGTH_BINS = 8
"""Ranges of length within each of which random rows are drawn in the numbers that TED keeps."""
Select = Callable[[InstructionData], RowMask]


def everything(data: InstructionData) -> RowMask:
    """Keep all rows."""
    return np.ones(len(data.train), bool)


def random_rows(data: InstructionData) -> RowMask:
    """Keep rows drawn at random."""
    return data.pruned(method="random")


def ted_rows(data: InstructionData) -> RowMask:
    """Keep what TED does by default."""
    return data.pruned()


def ted_probability_rows(data: InstructionData) -> RowMask:
    """Keep what TED does with the score that favours hard rows, among them long answers."""
    return data.pruned(score="probability", q=0.25)


def random_rows_of_equal_length(data: InstructionData) -> RowMask:
    """Keep random rows whose answers are as long as those that TED keeps."""
    kept_by_ted = data.selected("ted", ted_rows)
    rng = stream_rng(data.seed, BenchmarkStream.SAME_LENGTH)
    order = np.argsort(data.answer_lengths, kind="stable")
    kept = np.zeros(len(order), bool)
    for length_bin in np.array_split(order, LENGTH_BINS):
        kept[rng.permutation(length_bin)[: kept_by_ted[length_bin].sum()]] = True
    return kept


def most_difficult_rows(data: InstructionData) -> RowMask:
    """Keep the highest losses relative to those without the instruction; above 1 it misleads, and those come last."""
    alone = without_instruction(data.train)
    difficulty = data.base_loss / losses(untrained_model(alone, data.proxy), alone)
    kept = np.zeros(len(data.train), bool)
    kept[np.argsort(np.where(difficulty < 1, -difficulty, difficulty), kind="stable")[: data.count]] = True
    return kept


METHODS: Mapping[str, Select] = {
    "full": everything,
    "ted": ted_rows,
    "random": random_rows,
    "random, as long": random_rows_of_equal_length,
    "ifd": most_difficult_rows,
    "ted, q = 0.25": ted_probability_rows,
}
