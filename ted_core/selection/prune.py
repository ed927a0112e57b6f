"""TED's progressive pruning loop.

Twin proxies train on complementary halves of the retained samples. After every round but the first each sample, pruned
or not, is measured by the twin that has never trained on it: its performance a there is its *internal generalization*.
A row's chance of being kept is then proportional to how sensitive its prediction is to the rest of the selection: by
its margin (``ted_core.selection.margin``), or by a^q (1 - a). Each round retains a few samples fewer, until the target
is reached; pruned samples are still measured and may come back. If the plan says so, candidates are tried in the last
round, exponents q or random rows: a proxy is trained on the rows of each and tested on rows that it was not trained
on.

The concepts are those of the abstract of arXiv 2405.03228, which published no code; this loop is our construction.
"""

from collections.abc import Iterator, Mapping

from ted_core.datasets import Samples
from ted_core.distributed.world import ALONE, World
from ted_core.errors import SettingUnsuited
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
    world: World = ALONE,
) -> Iterator[Round]:
    """Return an iterator over the rounds of a pruning run; the last round holds the selection.

    ``watch`` is called after every batch. If the checkpointer has a saved state, the run is resumed from it, and the
    rounds before it are not yielded again. In a ``world`` of several ranks each of them iterates over its own rounds,
    which are the same; the first rank's checkpointer and ``watch`` tell of all of them. Methods other than TED make no
    use of more than one rank. If the samples' inputs are divided among the ranks, all of these train one model at a
    time.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(40) % 2
    >>> inputs = rng.normal(labels[:, None], size=(40, 3)).astype(np.float32)
    >>> samples = Samples(inputs, labels, ("low", "high"), np.arange(40, dtype=np.uint64), rows=40)
    >>> plan = PruningPlan(keep_ratio=0.5, q=1.0, class_floor=0.4)
    >>> *_, selection = prune(samples, plan, proxy=ProxySpec(name="mlp", epochs=6))
    >>> rows = samples.row_index[selection.retained]
    >>> len(rows), selection.number, bool(np.bincount(labels[selection.retained]).min() >= 8)
    (20, 3, True)

    Raises TedErrors that name the request's field before anything is trained, and TrainingDiverged.
    """
    resolved = proxy if isinstance(proxy, ResolvedProxy) else resolve_proxy(proxy, kind=samples.kind)
    check_feasibility(
        plan,
        resolved,
        kind=samples.kind,
        rows=len(samples),
        classes=len(samples.classes),
        one_class=not samples.multi_label and samples.task is None,
        shape=samples.input_shape,
    )
    _check_ownership(samples, plan, world)
    samples = prepare_samples(samples, resolved, device=device)
    return METHODS[plan.method](samples, plan, resolved, Execution(device, watch, checkpointer, world))


def _check_ownership(samples: Samples, plan: PruningPlan, world: World) -> None:
    """Raise SettingUnsuited if rows are to be divided among ranks and are not."""
    if plan.sampling == "sharded" and samples.ownership is None:
        raise SettingUnsuited("A sampling of sharded on rows that one process has all of", field="plan.sampling")
    assert samples.ownership is None or world.models == 1, "all ranks train what each has a part of"  # noqa: S101


def by_internal_generalization(
    samples: Samples, plan: PruningPlan, proxy: ResolvedProxy, execution: Execution
) -> Iterator[Round]:
    """Run TED: retain samples in proportion to how sensitive their predictions are to the rest of the selection."""
    loop = Loop(samples, plan, proxy, execution)
    for number in loop.remaining_rounds:
        if number > loop.last_trained:  # a resumed run may have trained this round already
            loop.train(number)
            if is_measured(number, rounds=loop.rounds):
                loop.measure()
            loop.save_checkpoint()
        if number == loop.rounds:
            loop.choose_ratio()
            loop.choose_rule()
        yield loop.retain(number)


METHODS: Mapping[str, Method] = {"ted": by_internal_generalization, **baselines.METHODS}
