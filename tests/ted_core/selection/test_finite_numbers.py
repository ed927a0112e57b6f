"""No decision rests on a number that is infinite or not a number: the run ends with training_diverged instead."""

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ted_core.datasets import Samples
from ted_core.errors import TrainingDiverged
from ted_core.plan import MethodName, PruningPlan
from ted_core.proxies import FAMILIES, ProxyFamily, ProxySpec
from ted_core.selection.prune import prune
from ted_core.selection.rounds import Round
from ted_core.training.divergence import require_finite
from tests.ted_core import examples

SAMPLES = examples.random_vectors(60, classes=3)
TRAINED = [name for name in get_args(MethodName) if name not in {"random", "stratified"}]
PLANS: list[dict[str, Any]] = [
    {"method": "ted"},
    {"method": "ted", "q": "auto"},
    {"method": "ted", "q": 1.0},
    {"method": "ted", "q": 0.0, "score": "parameter"},
    *({"method": name} for name in TRAINED if name != "ted"),
]


class Failing(nn.Module):
    """A linear model whose logits become what they should not be after so many forward passes."""

    passes_left = 0
    logit = float("nan")

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.linear(inputs)
        type(self).passes_left -= 1
        return logits if self.passes_left >= 0 else logits * self.logit


def failing(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """The model of an installed package's proxy."""
    return Failing(input_shape[0], classes)


FAMILY = ProxyFamily(
    takes=frozenset({"vector"}),
    builder=f"{__name__}:failing",
    optimizer="sgd",
    epochs=4,
    batch_size=30,
    learning_rate=0.1,
    weight_decay=0.0,
)


@pytest.fixture(autouse=True)
def _family(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "failing", FAMILY)


def final(samples: Samples, plan: dict[str, Any], **proxy: Any) -> Round:
    *_, last = prune(samples, PruningPlan(keep_ratio=0.5, **plan), proxy=ProxySpec(**{"name": "failing"} | proxy))
    return last


def decides(last: Round) -> list[np.ndarray]:
    """All numbers that rank rows, or that the manifest publishes about them."""
    numbers = [last.score, last.priority, last.inclusion_probability, np.float64(last.train_loss)]
    measured = [last.internal_generalization, last.margin, last.order] if last.margin is not None else []
    candidates = last.choice.candidates if last.choice else ()
    compared = [np.array([tried.accuracy, tried.behind, tried.standard_error]) for tried in candidates]
    return [np.asarray(some) for some in (*numbers, *measured, *compared) if some is not None]


def forward_passes(plan: dict[str, Any]) -> int:
    Failing.passes_left = 10**9
    final(SAMPLES, plan)
    return 10**9 - Failing.passes_left


@pytest.mark.parametrize("logit", [np.nan, pytest.param(np.inf, marks=pytest.mark.slow)])
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: " ".join(map(str, plan.values())))
def test_a_model_that_fails_at_any_time_ends_the_run_in_words(plan: dict[str, Any], logit: float) -> None:
    Failing.logit = logit
    passes = forward_passes(plan)

    for failing_after in (0, passes // 2, passes - 1):
        Failing.passes_left = failing_after
        with pytest.raises(TrainingDiverged, match=r"lower proxy\.learning_rate") as diverged:
            final(SAMPLES, plan)
        assert diverged.value.field == "proxy.learning_rate"
        assert not diverged.value.retryable


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: " ".join(map(str, plan.values())))
@pytest.mark.parametrize("scale", [1.0, 1e30])
def test_a_run_that_ends_has_decided_by_finite_numbers(plan: dict[str, Any], scale: float) -> None:
    samples = replace(SAMPLES, inputs=SAMPLES.inputs * np.float32(scale))

    for rate in (0.1, 10):
        try:
            last = final(samples, plan, name="mlp", epochs=4, learning_rate=rate)
        except TrainingDiverged:
            continue
        assert all(np.isfinite(numbers).all() for numbers in decides(last))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_of_every_kind_are_checked(number: float) -> None:
    assert require_finite(2.5, "It") == 2.5
    for numbers in (number, np.array([1, number]), torch.tensor([1, number])):
        with pytest.raises(TrainingDiverged, match="It is infinite or not a number"):
            require_finite(numbers, "It")
