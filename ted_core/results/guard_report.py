"""What the report says about the guard, from the candidates that it has tried. Torch-free."""

from typing import Any

from ted_core.results.provenance import QChoice
from ted_core.results.report import ReportGuard

QUANTILE = 1.96
"""Of the normal distribution: so many standard errors to each side make an interval at 95 %. They are those of the rows
that were tested, so it is an interval for these two proxies."""
POINTS = 100
"""Percentage points in one."""


def guard_report(choice: QChoice, plan: dict[str, Any]) -> ReportGuard | None:
    """How TED's rows compared with random ones; None if the plan, all defaults written out, asks for no guard."""
    if not plan.get("guard"):
        return None
    own, random = sorted(choice.candidates, key=lambda facts: facts.rule == "random")
    difference = own.accuracy - random.accuracy
    error = max(own.standard_error, random.standard_error)  # that of the chosen one is zero
    compared = ReportGuard(
        rule=own.rule,
        accuracy=own.accuracy,
        random_accuracy=random.accuracy,
        difference=difference,
        standard_error=error,
        interval=(difference - QUANTILE * error, difference + QUANTILE * error),
        returned="random" if choice.is_chosen(random) else "ted",
        verdict="",
    )
    return compared.model_copy(update={"verdict": _verdict(compared)})


def _verdict(guard: ReportGuard) -> str:
    """The guard's facts in one sentence."""
    low, high = (f"{POINTS * end:+.1f}" for end in guard.interval)
    right = f"{guard.accuracy:.1%} right with TED's rows, {guard.random_accuracy:.1%} with random ones"
    interval = f"95 % interval of the difference between these two proxies {low} to {high} points"
    return f"{_outcome(guard)}: on rows that a proxy was not trained on, {right}; {interval}"


def _outcome(guard: ReportGuard) -> str:
    """What was returned, and why."""
    points = f"{POINTS * abs(guard.difference):.1f} points"
    if guard.returned == "random":
        return f"random rows were ahead by {points} and are returned"
    if guard.difference < 0:
        return f"kept TED's rows, as random ones were ahead by no more than a standard error ({points})"
    return f"kept TED's rows, which were ahead by {points}"
