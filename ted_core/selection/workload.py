"""How much training a plan asks for, counted in row-visits, before anything is trained. Torch-free."""

from ted_core.plan import PruningPlan
from ted_core.proxies.resolve import ResolvedProxy
from ted_core.selection.schedule import loop_epochs, retained_counts, row_visits

GRID = (0.125, 0.25, 0.5, 1.0, 3.0, 9.0)
"""The exponents that can be chosen. Large ones differ less in their results, so the steps between them are longer."""
FIRST = (0.5, 1.0)
"""Tried first; the better one shows in which direction to continue."""
SLICE_ROWS, SMALLEST_SLICE, LARGEST_SLICE = 3000, 0.1, 0.2
"""Rows that make a difference of a percentage point visible, and the share of all samples that they may be."""
FEWEST_EPOCHS = 2
FULL_RUN_SHARE = 0.1
"""A candidate's proxy trains for all its epochs if that takes no more than this share of a full run."""
BATCH_FACTOR = 2
"""Larger batches are cheaper. The learning rate grows with them (Goyal et al. 2017, arXiv 1706.02677): a run that takes
too few steps would favour easy rows."""
UNTRAINED = {"random": 0, "stratified": 0}
"""The row-visits of methods that train nothing."""


def most_rows_trained(rows: int, plan: PruningPlan, proxy: ResolvedProxy) -> int | None:
    """Row-visits of training that the plan takes at most; None for baselines that train, whose work is not planned."""
    return loop_rows_trained(rows, plan, proxy) if plan.method == "ted" else UNTRAINED.get(plan.method)


def loop_rows_trained(rows: int, plan: PruningPlan, proxy: ResolvedProxy) -> int:
    """Row-visits of training that the twins and the search for q take at most."""
    rounds = plan.rounds or loop_epochs(proxy.training.epochs)
    counts = retained_counts(rows, plan.rows_kept(rows), rounds=rounds)
    looping = row_visits(rows, counts, epochs=max(rounds, loop_epochs(proxy.training.epochs)))
    return looping + (search_rows_trained(rows, plan, proxy) if plan.q == "auto" else 0)


def search_rows_trained(samples: int, plan: PruningPlan, proxy: ResolvedProxy) -> int:
    """Row-visits of training that the search takes at most, up to chance in what is held out."""
    longest = max(GRID.index(FIRST[0]), len(GRID) - 1 - GRID.index(FIRST[1]))
    rows = round((1 - slice_share(samples)) * plan.rows_kept(samples))
    return (len(FIRST) + longest + 1) * shorten_training(proxy, plan).training.epochs * rows


def slice_share(samples: int) -> float:
    """The share of all samples that no candidate is trained on."""
    return min(max(SLICE_ROWS / samples, SMALLEST_SLICE), LARGEST_SLICE)


def shorten_training(proxy: ResolvedProxy, plan: PruningPlan) -> ResolvedProxy:
    """The proxy with the training that a candidate's model gets: the fewer rows, the more epochs.

    It trains as long as the proxy itself if that takes no more than a tenth of a full run, and about a third as long if
    most rows are kept.
    """
    share = max(0.5 - 0.2 * plan.keep_ratio, min(1, FULL_RUN_SHARE / plan.keep_ratio))
    return proxy.with_training(
        epochs=max(FEWEST_EPOCHS, round(share * proxy.training.epochs)),
        batch_size=BATCH_FACTOR * proxy.training.batch_size,
        learning_rate=BATCH_FACTOR * proxy.training.learning_rate,
    )
