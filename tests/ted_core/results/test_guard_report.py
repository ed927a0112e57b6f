"""The report says in numbers and in one sentence how TED's rows compared with random ones."""

from typing import Any

import pytest

from ted_core.results.guard_report import guard_report
from ted_core.results.provenance import CandidateFacts, QChoice

GUARDED = {"keep_ratio": 0.5, "method": "ted", "guard": True}


def choice(own: float, random: float, *, error: float, returned: str, q: float | None = None) -> QChoice:
    """The choice between TED's rows and random ones, as the worker writes it."""
    rule: Any = "margin" if q is None else "probability"
    accuracy = random if returned == "random" else own
    facts = [
        CandidateFacts(rule=name, q=exponent, accuracy=one, behind=accuracy - one, standard_error=own_error)
        for name, exponent, one, own_error in (
            (rule, q, own, error if returned == "random" else 0.0),
            ("random", None, random, 0.0 if returned == "random" else error),
        )
    ]
    used: dict[str, Any] = {"rule": "random", "value": None} if returned == "random" else {"rule": rule, "value": q}
    return QChoice(**used, chosen_by="guard: measured", candidates=tuple(facts))


@pytest.mark.parametrize("q", [None, 2.0])
def test_the_difference_is_ted_s_lead_over_random_rows_whichever_were_returned(q: float | None) -> None:
    kept = guard_report(choice(0.84, 0.80, error=0.01, returned="ted", q=q), GUARDED)
    given_up = guard_report(choice(0.80, 0.84, error=0.01, returned="random", q=q), GUARDED)

    assert kept
    assert (kept.rule, kept.accuracy, kept.random_accuracy) == ("margin" if q is None else "probability", 0.84, 0.80)
    assert (kept.difference, kept.standard_error, kept.returned) == (pytest.approx(0.04), 0.01, "ted")
    assert kept.interval == pytest.approx((0.0204, 0.0596))
    assert given_up
    assert (given_up.accuracy, given_up.random_accuracy, given_up.returned) == (0.80, 0.84, "random")
    assert (given_up.difference, given_up.standard_error) == (pytest.approx(-0.04), 0.01)
    assert given_up.interval == pytest.approx((-0.0596, -0.0204))


@pytest.mark.parametrize(
    ("own", "random", "returned", "verdict"),
    [
        (
            0.84,
            0.80,
            "ted",
            "kept TED's rows, which were ahead by 4.0 points: on rows that a proxy was not trained on, 84.0% right "
            "with TED's rows, 80.0% with random ones; 95 % interval of the difference between these two proxies +2.0 "
            "to +6.0 points",
        ),
        (
            0.795,
            0.80,
            "ted",
            "kept TED's rows, as random ones were ahead by no more than a standard error (0.5 points)",
        ),
        (0.80, 0.84, "random", "random rows were ahead by 4.0 points and are returned"),
    ],
)
def test_the_verdict_is_one_sentence(own: float, random: float, returned: str, verdict: str) -> None:
    report = guard_report(choice(own, random, error=0.01, returned=returned), GUARDED)

    assert report
    assert report.verdict.startswith(verdict)


@pytest.mark.parametrize("plan", [{"method": "ted", "q": "auto"}, {"method": "ted", "guard": False}])
def test_without_a_guard_there_is_nothing_to_say(plan: dict[str, Any]) -> None:
    assert guard_report(choice(0.84, 0.80, error=0.01, returned="ted", q=1.0), plan) is None


def older(q: float | None) -> dict[str, Any]:
    """A candidate as a manifest of schema version 1 has it."""
    return {"q": q, "accuracy": 0.5, "behind": 0.0, "standard_error": 0.0}


@pytest.mark.parametrize(("value", "rule"), [(2.0, None), (None, "random")])
def test_what_an_older_version_chose_is_read_and_random_rows_are_recognized(value: float | None, rule: str) -> None:
    read = QChoice.model_validate({"value": value, "chosen_by": "measured", "candidates": [older(2.0), older(None)]})

    assert read.rule == rule
    assert [one.rule for one in read.candidates] == [None, "random"]
    assert [one.q for one in read.candidates if read.is_chosen(one)] == [value]


def test_an_older_manifest_whose_method_has_no_exponent_names_no_rule() -> None:
    assert QChoice.model_validate({"value": None, "chosen_by": "plan"}).rule is None
