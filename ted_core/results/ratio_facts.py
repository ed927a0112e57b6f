"""What is said about a keep ratio that was chosen."""

from ted_core.results.provenance import KeepRatioChoice, RatioFacts
from ted_core.selection.rounds import RatioChoice


def keep_ratio_choice(choice: RatioChoice) -> KeepRatioChoice:
    """The choice as files and answers say it."""
    curve = tuple(
        RatioFacts(
            keep_ratio=point.ratio,
            accuracy=point.accuracy,
            loss=point.loss,
            standard_error=point.standard_error,
            interval=point.interval,
        )
        for point in choice.points
    )
    return KeepRatioChoice(keep_ratio=choice.ratio, tolerance=choice.tolerance, curve=curve, verdict=_verdict(choice))


def _verdict(choice: RatioChoice) -> str:
    smallest = choice.points[-1]
    low, high = (f"{end:+.1f}" for end in smallest.interval)
    measured = f"keeping {smallest.ratio:.0%} costs {smallest.loss:.1f} points, interval {low} to {high}"
    if choice.ratio == 1:
        return f"do not prune: {measured}, and {choice.tolerance:g} are tolerated"
    return f"keep {choice.ratio:.0%}, which is measured to cost no more than {choice.tolerance:g} points: {measured}"
