"""What is said about a keep ratio that was chosen: its curve, and a sentence."""

import pytest

from ted_core.results.ratio_facts import keep_ratio_choice
from tests.ted_core.results.decided import chosen_ratio


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (
            0.63,
            "keep 63%, which is measured to cost no more than 0.3 points: keeping 30% costs 1.0 points, interval +0.8 "
            "to +1.2",
        ),
        (1.0, "do not prune: keeping 30% costs 1.0 points, interval +0.8 to +1.2, and 0.3 are tolerated"),
    ],
)
def test_the_verdict_says_what_to_keep_and_why(ratio: float, verdict: str) -> None:
    facts = keep_ratio_choice(chosen_ratio(ratio))

    assert (facts.keep_ratio, facts.tolerance, facts.verdict) == (ratio, 0.3, verdict)
    assert [(point.keep_ratio, point.loss, point.interval) for point in facts.curve] == [
        (1.0, 0.0, (0.0, 0.0)),
        (0.7, 0.0, (-0.1, 0.1)),
        (0.3, 1.0, (0.8, 1.2)),
    ]
