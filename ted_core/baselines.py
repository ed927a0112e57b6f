"""The rivals: other ways of choosing rows, for comparison and as methods of their own."""

from collections.abc import Iterator

import numpy as np

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import Training
from ted_core.rounds import Round, Watcher
from ted_core.schedule import strongest


def at_random(samples: Samples, plan: PruningPlan, _: Training, __: str, ___: Watcher) -> Iterator[Round]:
    """Uniformly random rows, blind to classes but for the floor; nothing is trained."""
    lots = np.random.default_rng(plan.seed).random(len(samples))
    count = plan.rows_kept(len(samples))
    retained = strongest(lots, count, labels=samples.labels, class_floor=plan.class_floor)
    unmeasured = np.full(len(samples), np.nan, np.float32)
    yield Round(
        number=1,
        rounds=1,
        retained=retained,
        score=unmeasured,
        internal_generalization=unmeasured,
        last_round=retained.astype(np.uint16),
        train_loss=None,
        samples_trained=0,
        samples_measured=0,
    )
