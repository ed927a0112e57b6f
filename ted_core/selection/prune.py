"""TED's progressive pruning loop.

Two twin proxies train on complementary halves of the retained samples. Every other round each sample, pruned ones too,
is measured by the twin that never trained on it: its *internal generalization* a. Samples are retained in proportion to
how far their a would move under small changes of the mask, a^q (1 - a); a little fewer each round, until the target is
reached. What was pruned keeps being measured and may come back. At the end q itself is chosen, by what proxies that are
trained on each candidate's rows make of the others.

The concepts are those of arXiv 2405.03228, which published no code; this loop is our construction from them.
"""

from collections.abc import Iterator, Mapping

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, ResolvedProxy, resolve_proxy
from ted_core.selection import baselines
from ted_core.selection.execution import NO_CHECKPOINTS, Checkpointer, Execution, Method
from ted_core.selection.feasibility import check_feasibility
from ted_core.selection.loop import Loop
from ted_core.selection.rounds import ProgressCallback, Round, ignore_progress
from ted_core.selection.schedule import is_measured
from ted_core.training.features import prepare_samples


def prune(
    samples: Samples,
    plan: PruningPlan,
    *,
    proxy: ProxySpec | ResolvedProxy,
    device: str = "cpu",
    watch: ProgressCallback = ignore_progress,
    checkpointer: Checkpointer = NO_CHECKPOINTS,
) -> Iterator[Round]:
    """Rounds, the last of which is the selection; ``watch`` hears of every batch in between.

    An interrupted run that the checkpointer has saved is resumed; the rounds before it are not yielded again.

    Raises TedErrors that name the request's field, before anything is trained, and TrainingDiverged.
    """
    resolved = proxy if isinstance(proxy, ResolvedProxy) else resolve_proxy(proxy)
    check_feasibility(
        plan,
        resolved,
        kind=samples.kind,
        rows=len(samples),
        classes=len(samples.classes),
        one_class=not samples.multi_label and samples.task is None,
    )
    samples = prepare_samples(samples, resolved, device=device)
    return METHODS[plan.method](samples, plan, resolved, Execution(device, watch, checkpointer))


def by_internal_generalization(
    samples: Samples, plan: PruningPlan, proxy: ResolvedProxy, execution: Execution
) -> Iterator[Round]:
    """TED: retain samples in proportion to how far the mask's small fluctuations would move them."""
    loop = Loop(samples, plan, proxy, execution)
    for number in loop.rounds_left:
        if number > loop.learned:
            loop.train(number)
            if is_measured(number, rounds=loop.rounds):
                loop.measure()
            loop.save_checkpoint()
        if number == loop.rounds and plan.q == "auto":
            loop.choose()
        yield loop.retain(number)


METHODS: Mapping[str, Method] = {"ted": by_internal_generalization, **baselines.METHODS}
