"""Losses, performance and what counts as right, against sums written out."""

import math

import numpy as np
import pytest
import torch

from ted_core.datasets import Samples
from ted_core.datasets.samples import rarest_class
from ted_core.training.objectives import MANY_LABELS, NEXT_TOKENS, ONE_CLASS, Answers, performance, task_of
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


def test_the_labels_tell_the_task() -> None:
    single = examples.random_vectors(6, classes=3)
    several = Samples(single.inputs, np.eye(3, dtype=np.float32)[[0, 1, 2] * 2], single.classes, single.row_index, 6)

    assert task_of(single) is ONE_CLASS
    assert task_of(several) is MANY_LABELS
    assert several.multi_label


def test_a_sample_is_balanced_by_the_rarest_of_its_classes() -> None:
    labels = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 0, 0]], np.float32)

    assert rarest_class(labels).tolist() == [1, 0, 2, 3]
