"""The state of one pruning run, and the steps that a round is made of. ``ted_core.pruning`` puts them in order."""

import numpy as np

from ted_core.choice import Race, choose, most_rows
from ted_core.datasets import Samples
from ted_core.measurement import MEASUREMENTS
from ted_core.meter import Meter
from ted_core.plan import PruningPlan
from ted_core.proxies import Training
from ted_core.rounds import Choice, Round, Watcher
from ted_core.sampling import Drawing
from ted_core.schedule import epochs_of_round, loop_epochs, row_visits, survivors
from ted_core.twins import Twins

PROVISIONAL_Q = 1.0
"""The exponent of the loop as long as q is still to be chosen."""


class Loop:
    """Twins, what they measured, and what is retained because of it."""

    def __init__(self, samples: Samples, plan: PruningPlan, proxy: Training, *, device: str, watch: Watcher) -> None:
        self.samples, self.plan, self.proxy = samples, plan, proxy
        self.q: float | None = PROVISIONAL_Q if plan.q == "auto" else plan.q
        self.choice: Choice | None = None
        self.rounds = plan.rounds or loop_epochs(proxy.epochs)
        self.epochs = max(self.rounds, loop_epochs(proxy.epochs))
        self.counts = survivors(len(samples), plan.rows_kept(len(samples)), rounds=self.rounds)
        self.meter = Meter(watch, rounds=self.rounds, work=self._work())
        self.twins = Twins(samples, proxy.model_copy(update={"epochs": self.epochs}), seed=plan.seed, device=device)
        self.measured, self.drawing = MEASUREMENTS[plan.score](len(samples)), Drawing(samples.groups, plan)
        self.retained, self.last_round = np.ones(len(samples), bool), np.zeros(len(samples), np.uint16)

    def _work(self) -> int:
        """Row-visits of training, at most."""
        choosing = most_rows(len(self.samples), self.plan, self.proxy) if self.plan.q == "auto" else 0
        return choosing + row_visits(len(self.samples), self.counts, epochs=self.epochs)

    def train(self, number: int) -> float:
        """The twins' mean loss in the last epoch of this round, each on the retained rows of its half."""
        self.meter.round = number
        losses = [
            self.twins.train_epoch(self.retained, number=epoch, count_rows=self.meter.trained_on)
            for epoch in epochs_of_round(number, rounds=self.rounds, epochs=self.epochs)
        ]
        return losses[-1]

    def measure(self) -> None:
        """Measure every sample, pruned or not, by the twin that has not trained on it."""
        self.measured.update(self.twins, self.retained)
        self.meter.measured_on(len(self.samples))

    def choose(self) -> None:
        """Replace the provisional exponent by the one that generalizes best."""
        race = Race(
            self.samples, self.measured, self.drawing, proxy=self.proxy, table=self.twins.table, meter=self.meter
        )
        self.choice = choose(race)
        self.q = self.choice.q
        self.meter.done()

    def retain(self, number: int, *, loss: float) -> Round:
        """The round, once as many samples as its number allows are drawn by their score."""
        score = self.measured.score(self.q)
        drawn = self.drawing.drawn(score, self.measured.performance, self.counts[number - 1])
        self.retained = drawn.retained
        self.last_round = np.where(drawn.retained, np.uint16(number), self.last_round)
        return Round(
            number=number,
            rounds=self.rounds,
            retained=drawn.retained,
            score=score.astype(np.float32),
            priority=drawn.priority,
            chance=drawn.chance,
            internal_generalization=self.measured.internal_generalization,
            last_round=self.last_round,
            train_loss=loss,
            samples_trained=self.meter.trained,
            samples_measured=self.meter.measured,
            q=self.q,
            choice=self.choice,
        )
