"""A plan that makes no sense cannot be built."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ted_core.plan import PruningPlan


def field_at_fault(refusal: pytest.ExceptionInfo[ValidationError]) -> object:
    return refusal.value.errors()[0]["loc"][0]


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_every_fraction_between_zero_and_one_can_be_kept(keep_ratio: float) -> None:
    assert PruningPlan(keep_ratio=keep_ratio).keep_ratio == keep_ratio


@pytest.mark.parametrize("keep_ratio", [0, 1, 1.5, -0.2, math.nan, math.inf, "most", None])
def test_a_keep_ratio_that_is_no_fraction_is_refused(keep_ratio: Any) -> None:
    with pytest.raises(ValidationError) as refusal:
        PruningPlan(keep_ratio=keep_ratio)

    assert field_at_fault(refusal) == "keep_ratio"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("q", -0.1),
        ("q", 16.1),
        ("q", math.nan),
        ("q", "large"),
        ("rounds", 0),
        ("rounds", 1001),
        ("class_floor", -0.1),
        ("class_floor", 1.1),
        ("class_floor", math.nan),
        ("seed", -1),
        ("seed", 2**32),
        ("method", "best"),
        ("score", "loss"),
    ],
)
def test_every_other_bound_is_checked(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refusal:
        PruningPlan.model_validate({"keep_ratio": 0.5, field: value})

    assert field_at_fault(refusal) == field


@pytest.mark.parametrize(
    ("field", "value"),
    [("q", 0), ("q", 16), ("rounds", 1), ("rounds", 1000), ("class_floor", 0), ("class_floor", 1), ("seed", 2**32 - 1)],
)
def test_the_bounds_themselves_are_allowed(field: str, value: float) -> None:
    assert getattr(PruningPlan.model_validate({"keep_ratio": 0.5, field: value}), field) == value


def test_a_field_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValidationError, match="prune_ratio"):
        PruningPlan.model_validate({"keep_ratio": 0.5, "prune_ratio": 0.5})


def test_a_plan_cannot_be_changed() -> None:
    plan = PruningPlan(keep_ratio=0.5)

    with pytest.raises(ValidationError, match="frozen"):
        plan.seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "score", "q"),
    [
        ({}, "margin", None),
        ({"score": "margin"}, "margin", None),
        ({"q": None}, "margin", None),
        ({"q": 4}, "probability", 4),
        ({"q": 0}, "probability", 0),
        ({"q": "auto"}, "probability", "auto"),
        ({"score": "probability"}, "probability", 1),
        ({"score": "parameter"}, "parameter", 1),
        ({"score": None, "q": None}, "margin", None),
        ({"score": None, "q": 4}, "probability", 4),
        ({"score": None, "q": "auto"}, "probability", "auto"),
        ({"score": "probability", "q": None}, "probability", 1),
        ({"score": "parameter", "q": "auto"}, "parameter", "auto"),
        ({"score": "margin", "q": 4}, "margin", 4),  # refused with the dataset, as what does not fit together is
    ],
)
def test_a_score_with_an_exponent_has_one_and_an_exponent_asks_for_such_a_score(
    given: dict[str, Any], score: str, q: object
) -> None:
    plan = PruningPlan.model_validate({"keep_ratio": 0.5} | given)

    assert (plan.score, plan.q) == (score, q)
    assert PruningPlan.model_validate_json(plan.model_dump_json()) == plan


def test_a_client_that_sends_every_default_of_the_schema_may_set_an_exponent() -> None:
    fields = PruningPlan.model_json_schema()["properties"]
    defaults = {name: field["default"] for name, field in fields.items() if "default" in field}

    plan = PruningPlan.model_validate(defaults | {"keep_ratio": 0.5, "q": 4})

    assert (plan.score, plan.q) == ("probability", 4)


@pytest.mark.parametrize("q", [2.0, "auto"])
def test_a_plan_of_an_earlier_version_means_what_it_meant(q: float | str) -> None:
    """Jobs that were queued before the update hold ``logit``."""
    plan = PruningPlan.model_validate({"keep_ratio": 0.5, "score": "logit", "q": q})

    assert plan == PruningPlan(keep_ratio=0.5, score="probability", q=q)


@pytest.mark.parametrize("no_plan", [[], "half", 0.5, None])
def test_what_is_no_object_is_no_plan(no_plan: Any) -> None:
    with pytest.raises(ValidationError):
        PruningPlan.model_validate(no_plan)


@pytest.mark.parametrize("score", [1, [], {}])
def test_a_score_of_another_type_is_refused(score: Any) -> None:
    with pytest.raises(ValidationError) as refusal:
        PruningPlan.model_validate({"keep_ratio": 0.5, "score": score})

    assert field_at_fault(refusal) == "score"


@pytest.mark.parametrize(
    ("keep_ratio", "rows", "kept"), [(0.6, 100, 60), (0.333, 10, 3), (0.999, 10, 10), (0.01, 5, 1)]
)
def test_the_rows_kept_are_the_nearest_whole_number_and_at_least_one(keep_ratio: float, rows: int, kept: int) -> None:
    assert PruningPlan(keep_ratio=keep_ratio).rows_kept(rows) == kept
