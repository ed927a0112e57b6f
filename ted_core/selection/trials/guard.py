"""The guard: TED's rows must not be worse than random ones.

On some data a score removes what a model would have needed, and nothing in the score says so. One proxy trained on
TED's rows and one on random rows, with the same training and the same initial weights, show it before the rows are
returned.
"""

from ted_core.selection.rounds import Choice
from ted_core.selection.trials.rule import RANDOM, Rule
from ted_core.selection.trials.trial import Trial, choice_of, is_clearly_ahead
from ted_core.selection.trials.trials import Trials


def guard(trials: Trials) -> Choice:
    """The plan's own rule, or random rows if they are ahead by more than a standard error."""
    own, random = trials.run_all(Rule.of(trials.plan), RANDOM)
    chosen = random if is_clearly_ahead(random, own) else own
    return choice_of(chosen, [own, random], reason=_reason(chosen, random))


def _reason(chosen: Trial, random: Trial) -> str:
    if chosen is random:
        return "guard: random rows generalized better to rows not trained on, by more than a standard error"
    if random.accuracy > chosen.accuracy:
        return "guard: random rows generalized better to rows not trained on, but by less than a standard error"
    return "guard: random rows generalized no better to rows not trained on"
