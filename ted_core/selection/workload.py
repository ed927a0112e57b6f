"""How much training a plan asks for, counted in row-visits, before anything is trained. Torch-free."""

from ted_core.plan import PruningPlan
from ted_core.proxies.model_size import planned_size
from ted_core.proxies.resolve import ResolvedProxy
from ted_core.selection.schedule import is_measured, loop_epochs, loop_rounds, retained_counts, row_visits

GRID = (0.125, 0.25, 0.5, 1.0, 3.0, 9.0)
"""The exponents that can be chosen. Large ones differ less in their results, so the steps between them are longer."""
FIRST = (0.5, 1.0)
"""Tried first; the better one shows in which direction to continue."""
MOST_CANDIDATES = len(FIRST) + max(GRID.index(FIRST[0]), len(GRID) - 1 - GRID.index(FIRST[1])) + 1
"""The first ones, the longest way from them to an end of the grid, and random rows."""
SLICE_ROWS, SMALLEST_SLICE, LARGEST_SLICE = 3000, 0.1, 0.2
"""Rows that make a difference of a percentage point visible, and the share of all samples that they may be."""
FEWEST_EPOCHS = 2
FULL_RUN_SHARE = 0.1
"""A candidate's proxy trains for all its epochs if that takes no more than this share of a full run."""
GUARD_TRIALS, GUARD_SHARE = 2, 0.5
"""TED's rows and random ones; what both trials may take of a full run."""
RATIOS = (0.7, 0.2)
"""At which an open ratio is tried, beside all rows; where the first costs too much, the second is not."""
HALVES = 2
"""Proxies are trained on one of them and tested on the other, so that all three trials take one full run."""
UNTRAINED = {"random": 0, "stratified": 0}
"""The row-visits of methods that train nothing."""
MEASURING_SHARE = 1 / 3
"""What measuring a row takes of training on it: the way forth without the way back, which takes twice as long."""


def most_rows_trained(rows: int, plan: PruningPlan, proxy: ResolvedProxy) -> int | None:
    """Row-visits of training that the plan takes at most; None for baselines that train, whose work is not planned."""
    return loop_rows_trained(rows, plan, proxy) if plan.method == "ted" else UNTRAINED.get(plan.method)


def loop_rows_trained(rows: int, plan: PruningPlan, proxy: ResolvedProxy) -> int:
    """Row-visits of training that the twins and the candidates take at most."""
    rounds = plan.rounds or loop_rounds(proxy.training.epochs)
    counts = retained_counts(rows, plan.rows_kept(rows), rounds=rounds)
    looping = row_visits(rows, counts, epochs=max(rounds, loop_epochs(proxy.training.epochs)))
    return looping + trial_rows_trained(rows, plan, proxy) + ratio_rows_trained(rows, plan, proxy)


def row_work(trained: float, measured: float) -> float:
    """Row-visits of training that take as long as so many of training and of measuring."""
    return trained + MEASURING_SHARE * measured


def most_work(rows: int, plan: PruningPlan, proxy: ResolvedProxy) -> float | None:
    """Row-visits of training that take as long as the plan does at most; None if its work is not planned."""
    trained = most_rows_trained(rows, plan, proxy)
    return trained and row_work(trained, loop_rows_measured(rows, plan, proxy)) + preparation(rows, proxy)


def full_run_work(rows: int, proxy: ResolvedProxy) -> float:
    """Row-visits of training that take as long as one training run of the proxy on all rows."""
    return rows * proxy.training.epochs + preparation(rows, proxy)


def preparation(rows: int, proxy: ResolvedProxy) -> float:
    """Row-visits of training that take as long as calculating a pretrained model's frozen blocks, once for each row."""
    size = planned_size(proxy, (), 0) if proxy.frozen_blocks else None
    return rows * size.frozen_work / size.training_work if size else 0.0


def relative_row_work(proxy: ResolvedProxy) -> float:
    """What training on a row takes of what it takes where all blocks of the pretrained model are trained."""
    if not proxy.frozen_blocks:
        return 1.0
    part, whole = (planned_size(one, (), 0) for one in (proxy, proxy.with_all_blocks()))
    return part.training_work / whole.training_work if part and whole else 1.0


def loop_rows_measured(rows: int, plan: PruningPlan, proxy: ResolvedProxy) -> int:
    """Row-visits of measuring that the twins and the candidates take at most."""
    rounds = plan.rounds or loop_rounds(proxy.training.epochs)
    measurings = sum(is_measured(number, rounds=rounds) for number in range(1, rounds + 1))
    tried = most_trials(plan) * (rows - trial_rows(rows, plan)) + most_ratio_trials(plan) * (rows - rows // HALVES)
    return measurings * rows + tried


def most_trials(plan: PruningPlan) -> int:
    """How many candidates the plan has a proxy trained for, at most."""
    if plan.method != "ted":
        return 0
    if plan.q == "auto":
        return MOST_CANDIDATES
    return GUARD_TRIALS if plan.guard else 0


def most_ratio_trials(plan: PruningPlan) -> int:
    """How many proxies the plan has trained to choose its ratio, at most."""
    return 1 + len(RATIOS) if plan.keep_ratio == "auto" else 0


def ratio_rows_trained(samples: int, plan: PruningPlan, proxy: ResolvedProxy) -> int:
    """Row-visits of training that they take at most, up to rounding."""
    shares = (1.0, *RATIOS) if plan.keep_ratio == "auto" else ()
    return round(sum(shares) * samples / HALVES * proxy.training.epochs)


def trial_rows_trained(samples: int, plan: PruningPlan, proxy: ResolvedProxy) -> int:
    """Row-visits of training that the candidates take at most, up to chance in what is held out."""
    epochs = shorten_training(proxy, plan, rows=samples).training.epochs
    return most_trials(plan) * epochs * trial_rows(samples, plan)


def trial_rows(samples: int, plan: PruningPlan) -> int:
    """The rows that each candidate is trained on."""
    return round((1 - slice_share(samples)) * plan.rows_kept(samples))


def slice_share(samples: int) -> float:
    """The share of all samples that no candidate is trained on."""
    return min(max(SLICE_ROWS / samples, SMALLEST_SLICE), LARGEST_SLICE)


def shorten_training(proxy: ResolvedProxy, plan: PruningPlan, *, rows: int) -> ResolvedProxy:
    """The proxy with the training that a candidate's model gets: the fewer of the ``rows`` are kept, the more epochs.

    It trains as long as the proxy itself if that takes no more than a tenth of a full run, and about a third as long if
    most rows are kept; the guard's models as long as both of them take no more than half of a full run, but never less
    than an epoch.
    """
    all_epochs = proxy.training.epochs
    epochs = _guard_epochs(all_epochs, plan, rows=rows) if plan.guard else _trial_epochs(all_epochs, plan.ratio)
    return proxy.with_training(epochs=epochs)


def _trial_epochs(epochs: int, keep_ratio: float) -> int:
    share = max(0.5 - 0.2 * keep_ratio, min(1, FULL_RUN_SHARE / keep_ratio))
    return max(FEWEST_EPOCHS, round(share * epochs))


def _guard_epochs(epochs: int, plan: PruningPlan, *, rows: int) -> int:
    """The epochs for which all the guard's models can be trained within its share of a full run, measuring included.

    A model that is trained briefly prefers easy rows, as random ones mostly are.
    """
    trained = trial_rows(rows, plan)
    work = GUARD_SHARE * epochs * rows / GUARD_TRIALS - row_work(0, rows - trained)
    return min(max(int(work // max(trained, 1)), 1), epochs)
