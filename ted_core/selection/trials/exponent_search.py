"""How TED chooses its exponent q: by measuring how well each candidate's rows explain the others.

Which rows are worth most depends on the data and on how many are kept: hard ones if labels are clean and many are kept,
ones that the rest explains if labels are noisy or few are kept.
"""

from collections.abc import Callable

from ted_core.selection.rounds import Choice
from ted_core.selection.trials.rule import RANDOM, Rule
from ted_core.selection.trials.trial import Trial, choice_of, is_clearly_ahead
from ted_core.selection.trials.trials import Trials
from ted_core.selection.workload import FIRST, GRID


def choose_exponent(trials: Trials) -> Choice:
    """The exponent whose proxy generalizes best, or random rows if they are ahead by more than a standard error.

    Random rows are what remains if the score is of no use. That is rare, so an error of measurement must not decide it.
    """
    trials.run_all(*(Rule(trials.plan.score, q) for q in FIRST))  # both are needed, whatever they say
    climbed = hill_climb(lambda q: trials.run(Rule(trials.plan.score, q)), grid=GRID, first=FIRST)
    random = trials.run(RANDOM)
    best = max(climbed, key=lambda trial: trial.accuracy)
    chosen = random if is_clearly_ahead(random, best) else best
    return choice_of(chosen, [*climbed, random], reason=_reason(chosen, random))


def hill_climb(run: Callable[[float], Trial], *, grid: tuple[float, ...], first: tuple[float, float]) -> list[Trial]:
    """The trials of a walk along the grid: from the better of two neighbours on, until the next is no better."""
    trials = [run(q) for q in first]
    if trials[1].accuracy >= trials[0].accuracy:
        ahead = grid[grid.index(first[1]) + 1 :]
    else:
        ahead = grid[: grid.index(first[0])][::-1]
    best = max(trial.accuracy for trial in trials)
    for q in ahead:
        trials.append(run(q))
        if trials[-1].accuracy <= best:
            break
        best = trials[-1].accuracy
    return trials


def _reason(chosen: Trial, random: Trial) -> str:
    if chosen is random:
        return (
            "measured: random rows, spread evenly over classes and performance, generalized best to rows not trained on"
        )
    doubt = "; random rows were ahead by less than a standard error" if random.accuracy > chosen.accuracy else ""
    return f"measured: q = {chosen.rule.q:g} generalized best to rows not trained on{doubt}"
