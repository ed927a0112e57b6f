"""What a plan leaves open until the twins have measured every row."""

from collections.abc import Callable

from ted_core.plan import PruningPlan
from ted_core.selection.rounds import Choice
from ted_core.selection.trials.exponent_search import choose_exponent
from ted_core.selection.trials.guard import guard
from ted_core.selection.trials.trials import Trials


def chooser(plan: PruningPlan) -> Callable[[Trials], Choice] | None:
    """How the rule that ranks the rows is chosen; None if the plan says it."""
    if plan.q == "auto":
        return choose_exponent
    return guard if plan.guard else None
