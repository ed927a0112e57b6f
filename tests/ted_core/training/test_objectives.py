"""Losses, performance, margins and what counts as right, against sums written out."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ted_core.datasets import Samples
from ted_core.datasets.samples import rarest_class
from ted_core.training.objectives import (
    MANY_LABELS,
    NEXT_TOKENS,
    ONE_CLASS,
    Answers,
    Task,
    performance,
    probability_margin,
    task_of,
)
from tests.reference import ted
from tests.ted_core import examples


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_with_one_class_performance_is_the_probability_of_the_label() -> None:
    logits, labels = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0])

    assert performance(ONE_CLASS.loss(logits, labels)).tolist() == pytest.approx([sigmoid(2), sigmoid(-1)])
    assert ONE_CLASS.right(logits, labels).tolist() == [1, 0]


def test_with_several_labels_it_is_the_geometric_mean_of_their_probabilities() -> None:
    logits, labels = torch.tensor([[2.0, -1.0], [0.5, 3.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])

    expected = [math.sqrt(sigmoid(2) * sigmoid(1)), math.sqrt(sigmoid(-0.5) * sigmoid(3))]
    assert performance(MANY_LABELS.loss(logits, labels)).tolist() == pytest.approx(expected)
    assert MANY_LABELS.right(logits, labels).tolist() == [1, 0.5]


def test_for_answers_it_is_the_geometric_mean_over_their_tokens() -> None:
    logits = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 1.0]])
    answers = Answers(tokens=torch.tensor([0, 0, 1]), sample=torch.tensor([0, 0, 1]), samples=2)

    expected = [math.sqrt(sigmoid(1) * sigmoid(-2)), sigmoid(1)]
    assert performance(NEXT_TOKENS.loss(logits, answers)).tolist() == pytest.approx(expected)
    assert NEXT_TOKENS.right(logits, answers).tolist() == [0.5, 1]
    assert len(answers) == 2


# --- margins ----------------------------------------------------------------------------------------------------------


def random_logits(rows: int, options: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 3, (rows, options)).astype(np.float32))


SHAPES = given(st.integers(1, 12), st.integers(2, 6), st.integers(0, 1000))


@SHAPES
def test_the_margin_of_a_class_is_its_probability_less_that_of_the_best_other(
    rows: int, classes: int, seed: int
) -> None:
    logits, labels = random_logits(rows, classes, seed), torch.arange(rows) % classes

    margin = ONE_CLASS.margin_of(logits, labels, ONE_CLASS.loss(logits, labels))

    by_hand = [ted.margin(ted.softmax(row), label) for row, label in zip(logits.tolist(), labels.tolist(), strict=True)]
    assert margin.tolist() == pytest.approx(by_hand, abs=1e-6)
    assert (margin > 0).tolist() == ONE_CLASS.right(logits, labels).bool().tolist()


@SHAPES
def test_with_two_classes_half_of_one_plus_the_margin_is_the_performance(rows: int, _: int, seed: int) -> None:
    logits, labels = random_logits(rows, 2, seed), torch.arange(rows) % 2

    loss = ONE_CLASS.loss(logits, labels)

    halved = (1 + ONE_CLASS.margin_of(logits, labels, loss)) / 2
    assert halved.tolist() == pytest.approx(performance(loss).tolist(), abs=1e-6)


@SHAPES
def test_the_margin_of_several_labels_is_the_mean_of_each_ones_own(rows: int, classes: int, seed: int) -> None:
    logits = random_logits(rows, classes, seed)
    labels = torch.from_numpy(np.random.default_rng(seed + 1).integers(0, 2, (rows, classes)).astype(np.float32))

    margin = MANY_LABELS.margin_of(logits, labels, MANY_LABELS.loss(logits, labels))

    def by_hand(row: int) -> float:
        yes = [sigmoid(logit) for logit in logits[row].tolist()]
        wanted = labels[row].tolist()
        return ted.mean([ted.margin([1 - p, p], int(label)) for p, label in zip(yes, wanted, strict=True)])

    assert margin.tolist() == pytest.approx([by_hand(row) for row in range(rows)], abs=1e-6)


@SHAPES
def test_the_margin_of_an_answer_is_the_mean_over_its_tokens(tokens: int, vocabulary: int, seed: int) -> None:
    logits, wanted = random_logits(tokens, vocabulary, seed), torch.arange(tokens) % vocabulary
    sample = torch.arange(tokens) * 2 // (tokens + 1)
    answers = Answers(tokens=wanted, sample=sample, samples=int(sample[-1]) + 1)

    margin = NEXT_TOKENS.margin_of(logits, answers, NEXT_TOKENS.loss(logits, answers))

    each = [ted.margin(ted.softmax(row), token) for row, token in zip(logits.tolist(), wanted.tolist(), strict=True)]
    by_hand = [
        ted.mean([one for one, own in zip(each, sample.tolist(), strict=True) if own == dialogue])
        for dialogue in range(answers.samples)
    ]
    assert margin.tolist() == pytest.approx(by_hand, abs=1e-6)


def test_a_task_without_a_margin_takes_what_is_not_right_for_a_single_rival() -> None:
    squared = Task(loss=lambda outputs, targets: (outputs - targets) ** 2, right=lambda outputs, _: outputs)
    outputs, targets = torch.tensor([0.0, 1.0, 3.0]), torch.zeros(3)

    margin = squared.margin_of(outputs, targets, squared.loss(outputs, targets))

    assert margin.tolist() == pytest.approx([1, 2 / math.e - 1, 2 * math.exp(-9) - 1])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_margins_of_half_precision_logits_are_taken_in_single_precision(dtype: torch.dtype) -> None:
    logits, labels = random_logits(8, 4, 0).to(dtype), torch.arange(8) % 4

    margin = probability_margin(logits, labels)

    by_hand = [ted.margin(ted.softmax(row), label) for row, label in zip(logits.tolist(), labels.tolist(), strict=True)]
    assert margin.dtype == torch.float32
    assert margin.tolist() == pytest.approx(by_hand, abs=1e-6)


def test_the_labels_tell_the_task() -> None:
    single = examples.random_vectors(6, classes=3)
    several = Samples(single.inputs, np.eye(3, dtype=np.float32)[[0, 1, 2] * 2], single.classes, single.row_index, 6)

    assert task_of(single) is ONE_CLASS
    assert task_of(several) is MANY_LABELS
    assert several.multi_label


def test_a_sample_is_balanced_by_the_rarest_of_its_classes() -> None:
    labels = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 0, 0]], np.float32)

    assert rarest_class(labels).tolist() == [1, 0, 2, 3]
