"""What is unusual about a plan and its proxy, before anything is trained. Torch-free."""

from collections.abc import Iterator
from math import ceil

from ted_core.plan import PruningPlan
from ted_core.proxies.resolve import ResolvedProxy
from ted_core.selection.schedule import FEWEST_ROUNDS
from ted_core.selection.workload import UNTRAINED
from ted_core.warnings import JobWarning, WarningCode, distinct

EPOCHS_SHARE = 1 / 4
"""Of the epochs that the proxy trains for by default."""
RATE_FACTOR = 100
"""A learning rate this many times larger or smaller than the proxy's own is no matter of taste."""
HALVES = 2
"""Each twin trains on one of them."""


def plan_warnings(plan: PruningPlan, proxy: ResolvedProxy, *, rows: int | None) -> tuple[JobWarning, ...]:
    """The warnings about how the proxy is to be trained; none if the method trains nothing.

    Where the number of rows is not known yet, what depends on it is left out.
    """
    if plan.method in UNTRAINED:
        return ()
    return distinct(_of_epochs(plan, proxy), _of_learning_rate(proxy), _of_batches(plan, proxy, rows))


def fewest_epochs(plan: PruningPlan, proxy: ResolvedProxy) -> int:
    """The epochs below which little can be expected: a quarter of the proxy's own, for twins as many as they measure.

    With two, twins train for a single one of them.
    """
    rounds = FEWEST_ROUNDS if plan.method == "ted" else 1
    return max(ceil(EPOCHS_SHARE * proxy.family.epochs), rounds)


def _of_epochs(plan: PruningPlan, proxy: ResolvedProxy) -> Iterator[JobWarning]:
    epochs, fewest = proxy.training.epochs, fewest_epochs(plan, proxy)
    if epochs < fewest:
        fact = f"{epochs} epochs are few for {proxy.name}, which trains for {proxy.family.epochs} by default"
        yield JobWarning.of(WarningCode.FEW_EPOCHS, f"{fact} and needs {fewest} to judge rows", field="proxy.epochs")


def _of_learning_rate(proxy: ResolvedProxy) -> Iterator[JobWarning]:
    rate, usual = proxy.training.learning_rate, proxy.family.learning_rate
    if not usual / RATE_FACTOR < rate < usual * RATE_FACTOR:
        fact = f"A learning rate of {rate:g} is far from {usual:g}, with which {proxy.name} trains by default"
        yield JobWarning.of(WarningCode.UNUSUAL_LEARNING_RATE, fact, field="proxy.learning_rate")


def _of_batches(plan: PruningPlan, proxy: ResolvedProxy, rows: int | None) -> Iterator[JobWarning]:
    """Batches that are larger than usual and hold all rows: of few rows, the usual batch may do so, too."""
    size = proxy.training.batch_size
    if rows is None or size <= proxy.family.batch_size:
        return
    if size < (trained := rows // HALVES if plan.method == "ted" else rows):
        return
    fact = f"A batch_size of {size} makes one step of an epoch over {trained} rows"
    yield JobWarning.of(WarningCode.LARGE_BATCHES, fact, field="proxy.batch_size")
