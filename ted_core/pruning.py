"""TED's progressive pruning loop.

Two twin proxies train on complementary halves of the retained samples. After every round each sample, pruned ones too,
is measured by the twin that never trained on it: its *internal generalization* a. The samples whose a would move most
under small changes of the mask, a^q (1 - a), are retained; a little fewer each round, until the target is reached. What
was pruned keeps being measured and may come back.

The concepts are those of arXiv 2405.03228, which published no code; this loop is our construction from them.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from ted_core.baselines import at_random
from ted_core.datasets import Samples
from ted_core.distance import distance
from ted_core.feasibility import check
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, Training
from ted_core.rounds import Method, Round, Step, Watcher, nobody_watches
from ted_core.schedule import epochs_of_round, strongest, survivors
from ted_core.twins import Twins


def prune(
    samples: Samples, plan: PruningPlan, *, proxy: ProxySpec, device: str = "cpu", watch: Watcher = nobody_watches
) -> Iterator[Round]:
    """Rounds, the last of which is the selection; ``watch`` hears of every batch in between.

    Raises TedErrors that name the request's field, before anything is trained, and TrainingDiverged.
    """
    kind = "image-classification" if samples.kind == "image" else "tabular-classification"
    training = check(plan, proxy, task=kind, rows=len(samples), classes=len(samples.classes))
    return METHODS[plan.method](samples, plan, training, device, watch)


def by_internal_generalization(
    samples: Samples, plan: PruningPlan, proxy: Training, device: str, watch: Watcher
) -> Iterator[Round]:
    """TED: retain what the mask's small fluctuations would move most."""
    rounds = plan.rounds or proxy.epochs
    twins = Twins(samples, proxy, seed=plan.seed, device=device)
    retained = np.ones(len(samples), bool)
    generalization = np.zeros(len(samples))
    last_round = np.zeros(len(samples), np.uint16)
    trained = 0

    for number, count in enumerate(survivors(len(samples), plan.rows_kept(len(samples)), rounds=rounds), start=1):
        before, epochs = trained, epochs_of_round(number, rounds=rounds, epochs=proxy.epochs)
        work = len(epochs) * retained.sum()

        def count_rows(rows: int) -> None:
            nonlocal trained
            trained += rows
            watch(Step(number, rounds, (number - 1 + min((trained - before) / work, 1)) / rounds, trained))  # noqa: B023

        losses = [twins.train_epoch(retained, number=epoch, count_rows=count_rows) for epoch in epochs]
        generalization += (twins.out_of_sample_performance() - generalization) / number
        score = distance(generalization, plan.effective_q)
        retained = strongest(score, count, labels=samples.labels, class_floor=plan.class_floor)
        last_round = np.where(retained, np.uint16(number), last_round)
        yield Round(
            number=number,
            rounds=rounds,
            retained=retained,
            score=score.astype(np.float32),
            internal_generalization=generalization.astype(np.float32),
            last_round=last_round,
            train_loss=losses[-1],
            samples_trained=trained,
            samples_measured=number * len(samples),
        )


METHODS: Mapping[str, Method] = {"ted": by_internal_generalization, "random": at_random}
