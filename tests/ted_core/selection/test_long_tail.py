"""A class of three rows beside one of a thousand: every class keeps its floor, whatever chooses the rows."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ted_core.datasets import Samples
from ted_core.errors import TooFewRowsKept
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec
from ted_core.results.decisions import Reason
from ted_core.results.explain import decide
from ted_core.selection.prune import METHODS, prune
from ted_core.selection.rounds import Round
from ted_core.selection.sampling import PoissonSampler
from ted_core.selection.sampling.highest import select_highest
from tests.ted_core import examples

CLASSES = 8
SIZES = np.round(np.geomspace(1000, 3, CLASSES)).astype(int)
"""1000, 436, 190, … 3: each class is less than half as large as the one before it."""
PROXY = ProxySpec(name="mlp", epochs=3, batch_size=256)
TIGHT = [(0.6, 0.5), (0.34, 0.34), (0.1, 0.1), (0.02, 0.02)]
"""Keep ratio and class floor; where they are equal, the floors take all that is kept but for rounding."""


def long_tail() -> Samples:
    """Vectors near their class's centre, in random order."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(CLASSES), SIZES))
    centres = rng.normal(size=(CLASSES, 6))
    inputs = centres[labels] + rng.normal(size=(len(labels), 6))
    return examples.samples(inputs.astype(np.float32), labels)


def several_classes() -> Samples:
    """The same, and a third of the rows have the largest class too; some have none."""
    one = long_tail()
    rng = np.random.default_rng(1)
    flags = np.eye(CLASSES, dtype=np.float32)[one.labels]
    flags[rng.random(len(one)) < 0.3, 0] = 1
    flags[rng.random(len(one)) < 0.01] = 0
    return Samples(one.inputs, flags, one.classes, one.row_index, rows=one.rows)


def selection(samples: Samples, **plan: Any) -> Round:
    return list(prune(samples, PruningPlan.model_validate({"q": 1} | plan), proxy=PROXY))[-1]


def floors(sizes: np.ndarray, share: float) -> np.ndarray:
    """The share of each size in exact arithmetic, rounded down to whole rows."""
    return np.array([math.floor(Fraction(str(share)) * int(size)) for size in sizes])


@pytest.mark.parametrize(("keep_ratio", "class_floor"), TIGHT)
@pytest.mark.parametrize("method", METHODS)
def test_every_class_keeps_its_floor_and_no_more_rows_are_kept_for_it(
    method: str, keep_ratio: float, class_floor: float
) -> None:
    samples = long_tail()

    final = selection(samples, method=method, keep_ratio=keep_ratio, class_floor=class_floor)

    kept = np.bincount(samples.labels[final.retained], minlength=CLASSES)
    assert (kept >= floors(SIZES, class_floor)).all()
    assert kept.sum() == round(keep_ratio * len(samples))


@pytest.mark.parametrize(
    ("score", "q"), [("margin", None), ("probability", "auto"), ("parameter", 1), ("parameter", "auto")]
)
def test_so_it_is_with_every_score_and_where_q_is_chosen(score: str, q: object) -> None:
    samples = long_tail()

    final = selection(samples, score=score, q=q, keep_ratio=0.4, class_floor=0.34)

    kept = np.bincount(samples.labels[final.retained], minlength=CLASSES)
    assert (kept >= floors(SIZES, 0.34)).all()
    assert kept.sum() == round(0.4 * len(samples))


@pytest.mark.parametrize("method", ["ted", "random", "stratified"])
def test_of_rows_with_several_classes_the_rarest_has_the_floor(method: str) -> None:
    samples = several_classes()

    final = selection(samples, method=method, keep_ratio=0.2, class_floor=0.2)

    kept, sizes = (
        np.bincount(found, minlength=CLASSES + 1) for found in (samples.groups[final.retained], samples.groups)
    )
    assert (kept >= floors(sizes, 0.2)).all()
    assert kept.sum() == round(0.2 * len(samples))
    assert sizes[CLASSES] > 0


def test_without_a_floor_the_hardest_rows_are_those_of_few_classes_and_the_floor_brings_the_others_back() -> None:
    samples = long_tail()

    bare = selection(samples, method="el2n", keep_ratio=0.1)
    floored = selection(samples, method="el2n", keep_ratio=0.1, class_floor=0.05)

    before, after = (np.bincount(samples.labels[one.retained], minlength=CLASSES) for one in (bare, floored))
    assert (before < floors(SIZES, 0.05)).any()
    assert (after >= floors(SIZES, 0.05)).all()
    reasons = decide(floored, samples, PruningPlan(keep_ratio=0.1, method="el2n", class_floor=0.05)).reason
    assert (reasons == Reason.CLASS_FLOOR).any()


@pytest.mark.parametrize("method", METHODS)
def test_a_floor_above_the_keep_ratio_could_not_be_kept_and_is_refused(method: str) -> None:
    with pytest.raises(TooFewRowsKept, match="raise keep_ratio, lower class_floor") as refusal:
        selection(long_tail(), method=method, keep_ratio=0.1, class_floor=0.11)

    assert refusal.value.field == "plan.class_floor"


@given(
    sizes=st.lists(st.integers(1, 200), min_size=1, max_size=12),
    percent=st.integers(1, 100),
    extra=st.integers(0, 30),
    seed=st.integers(0, 99),
)
@example(sizes=[100] * 12, percent=29, extra=0, seed=0)
@settings(deadline=None)
def test_floors_no_higher_than_the_keep_ratio_can_always_be_kept(
    sizes: list[int], percent: int, extra: int, seed: int
) -> None:
    labels, floor = np.repeat(np.arange(len(sizes)), sizes), percent / 100
    count = max(1, round(min(percent + extra, 100) / 100 * len(labels)))
    score = np.random.default_rng(seed).random(len(labels))

    retained = select_highest(score, count, labels=labels, class_floor=floor)

    assert retained.sum() == count
    assert (np.bincount(labels[retained], minlength=len(sizes)) >= floors(np.array(sizes), floor)).all()


# --- where the score cannot be trusted: random rows of every class ---------------------------------------------------


@pytest.mark.parametrize("keep_ratio", [0.5, 0.1])
def test_rows_that_are_drawn_without_a_score_are_every_classs_share(keep_ratio: float) -> None:
    """What the search for q falls back to: random rows give all the same score, and the draw is even over classes."""
    samples = long_tail()
    plan, alike = PruningPlan(keep_ratio=keep_ratio), np.ones(len(samples))

    drawn = PoissonSampler(samples.groups, plan).sample(alike, np.zeros(len(samples)), plan.rows_kept(len(samples)))

    kept = np.bincount(samples.labels[drawn.retained], minlength=CLASSES)
    assert np.abs(kept - keep_ratio * SIZES).max() <= 2
