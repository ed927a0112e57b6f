"""A weak proxy, classes whose shares change and classes that vanish show up as warnings; random rows show none."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ted_core.results.decisions import Members
from ted_core.results.provenance import ProxyAccuracy
from ted_core.results.selection_warnings import class_warnings, selection_warnings
from ted_core.warnings import JobWarning
from tests.ted_core.results.decided import chosen_ratio, decided


def about(before: list[int], after: list[int], names: list[str] | None = None) -> dict[str, JobWarning]:
    classes = tuple(names or [f"class {code}" for code in range(len(before))])
    return {one.code: one for one in class_warnings(np.array(before), np.array(after), classes=classes)}


def accuracy(**facts: Any) -> ProxyAccuracy:
    return ProxyAccuracy.model_validate(
        {
            "out_of_sample": 0.306,
            "standard_error": 0.01,
            "majority_class": 0.111,
            "chance": 0.1,
            "performance": 0.156,
            "reference_performance": 0.1,
            "has_learned": False,
        }
        | facts
    )


def test_adults_classes_at_sixty_to_forty_are_not_those_at_seventy_six_to_twenty_four() -> None:
    found = about([24_720, 7_841], [9_300, 5_700], ["<=50K", ">50K"])["class_shares_changed"]

    assert found.field == "plan.class_balance"
    assert "'<=50K' from 75.9% to 62.0%, '>50K' from 24.1% to 38.0%" in found.message
    assert "plan.class_balance" in found.message


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([7600, 2400], [3800, 1200]),
        ([7600, 2400], [3700, 1300]),  # two points
        ([9000, 1000], [4300, 700]),  # four points
        ([5000, 5000], [2700, 2300]),  # four points each
        ([15, 5], [6, 4]),  # few rows
        ([100] * 10, [50] * 10),
    ],
)
def test_small_changes_and_those_of_few_rows_are_no_warning(before: list[int], after: list[int]) -> None:
    assert not about(before, after)


def test_many_small_classes_may_change_altogether() -> None:
    before, after = [100] * 100, [80] * 50 + [20] * 50

    assert list(about(before, after)) == ["class_shares_changed"]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("classes", [2, 5, 200])
@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.6])
def test_random_rows_change_no_shares(seed: int, classes: int, ratio: float) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.geometric(0.3, 4000) % classes
    kept = rng.permutation(4000)[: round(4000 * ratio)]

    found = about(
        np.bincount(labels, minlength=classes).tolist(), np.bincount(labels[kept], minlength=classes).tolist()
    )

    assert "class_shares_changed" not in found


def test_a_class_that_loses_all_rows_is_named_with_its_rows_the_largest_first() -> None:
    found = about([1000, 3, 40, 1], [500, 0, 0, 1], ["cat", "dog", "cow", "owl"])["class_lost"]

    assert found.field == "plan.class_floor"
    assert "2 of 4 classes: 'cow' (40 rows), 'dog' (3 rows)" in found.message


def test_of_many_lost_classes_the_largest_are_named_and_the_others_counted() -> None:
    found = about([100] + [1] * 90 + [2] * 10, [50] + [0] * 100)["class_lost"]

    assert "100 of 101 classes" in found.message
    assert found.message.count("(2 rows)") == 5
    assert "and 95 more" in found.message


def test_a_class_that_had_no_rows_has_lost_none() -> None:
    assert not about([10, 0, 10], [5, 0, 5])


def test_without_classes_nothing_is_said_about_them() -> None:
    assert not class_warnings(np.zeros(0, np.int64), np.zeros(0, np.int64), classes=())


def test_of_rows_with_several_classes_each_of_them_counts() -> None:
    """The rarest class of every kept row is another one, but "cat" is among their classes."""
    told = decided(kept=(0, 1))
    pairs = Members(np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, 1], np.int32))
    only_dogs = replace(told, members=Members(np.array([0, 1, 2]), np.array([1, 1, 0], np.int32)))

    lost = [one.code for one in selection_warnings(only_dogs)]

    assert not selection_warnings(replace(told, members=pairs))
    assert lost == ["class_lost"]


def test_a_proxy_that_has_not_learned_is_a_warning_with_its_numbers() -> None:
    (found,) = selection_warnings(decided(), accuracy=accuracy())

    assert (found.code, found.field) == ("proxy_has_not_learned", "proxy")
    for number in ("30.6%", "11.1%", "0.156", "0.100"):
        assert number in found.message


def test_a_language_model_is_compared_with_itself_before_training() -> None:
    facts = accuracy(majority_class=None, chance=None, base_model=0.31, reference_performance=0.2)

    (found,) = selection_warnings(decided(), accuracy=facts)

    assert "the model before its training 31.0%" in found.message
    assert "the model before its training 0.200" in found.message


def test_under_a_loss_that_nobody_else_knows_accuracy_is_all_that_is_said() -> None:
    (found,) = selection_warnings(decided(), accuracy=accuracy(reference_performance=None))

    assert "probability" not in found.message


@pytest.mark.parametrize("told", [None, accuracy(has_learned=True), accuracy(has_learned=None)])
def test_nothing_is_said_of_a_proxy_that_has_learned_or_was_not_judged(told: ProxyAccuracy | None) -> None:
    assert not selection_warnings(decided(), accuracy=told)


def test_an_open_ratio_at_which_nothing_is_pruned_is_a_warning() -> None:
    warned, silent = (selection_warnings(decided(), ratio=chosen_ratio(ratio)) for ratio in (1.0, 0.7))

    assert [one.code for one in warned] == ["nothing_pruned"]
    assert warned[0].field == "plan.tolerance"
    assert "no smaller share was measured to cost at most 0.3 points" in warned[0].message
    assert silent == ()
