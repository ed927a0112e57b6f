"""The state of one pruning run, and the steps that a round is made of. ``ted_core.selection.prune`` puts them in order."""

import numpy as np
import torch

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ResolvedProxy
from ted_core.selection.execution import Execution
from ted_core.selection.exponent_search import ExponentSearch, Trial, choose
from ted_core.selection.progress import ProgressCounter
from ted_core.selection.rounds import Choice, Round
from ted_core.selection.sampling import PoissonSampler
from ted_core.selection.schedule import epochs_of_round, loop_epochs, retained_counts
from ted_core.selection.scores import SCORES
from ted_core.selection.twins import Twins
from ted_core.selection.workload import loop_rows_trained
from ted_core.storage.checkpoint import StateDict, merge_state_dicts, of_array, of_number, sub_state_dict

PROVISIONAL_Q = 1.0
"""The exponent of the loop as long as q is still to be chosen."""


class Loop:
    """Twins, what they measured, and what is retained because of it."""

    def __init__(self, samples: Samples, plan: PruningPlan, proxy: ResolvedProxy, execution: Execution) -> None:
        self.samples, self.plan, self.proxy = samples, plan, proxy
        self.q: float | None = PROVISIONAL_Q if plan.q == "auto" else plan.q
        self.choice: Choice | None = None
        self.rounds = plan.rounds or loop_epochs(proxy.training.epochs)
        self.epochs = max(self.rounds, loop_epochs(proxy.training.epochs))
        self.counts = retained_counts(len(samples), plan.rows_kept(len(samples)), rounds=self.rounds)
        work = loop_rows_trained(len(samples), plan, proxy)
        self.progress, self.checkpointer = (
            ProgressCounter(execution.watch, rounds=self.rounds, work=work),
            execution.checkpointer,
        )
        longer = proxy.with_training(epochs=self.epochs)
        self.twins = Twins(samples, longer, seed=plan.seed, device=execution.device)
        self.measurement, self.sampler = SCORES[plan.score](len(samples)), PoissonSampler(samples.groups, plan)
        self.retained, self.last_round = np.ones(len(samples), bool), np.zeros(len(samples), np.uint16)
        self.learned, self.loss = 0, float("nan")
        """The last round that was trained and measured, and the twins' mean loss in its last epoch."""
        self.trials: list[Trial] = []
        """The candidates for the exponent that were tried."""
        if self.checkpointer.saved_state:
            self._load_state_dict(self.checkpointer.saved_state)

    @property
    def rounds_left(self) -> range:
        """The rounds to go; the first of them may be learned already, but not retained."""
        return range(max(self.learned, 1), self.rounds + 1)

    def train(self, number: int) -> None:
        """Train each twin on the retained rows of its half, for the epochs of this round."""
        self.progress.round = self.learned = number
        for epoch in epochs_of_round(number, rounds=self.rounds, epochs=self.epochs):
            self.loss = self.twins.train_epoch(self.retained, number=epoch, count_rows=self.progress.count_trained)

    def measure(self) -> None:
        """Measure every sample, pruned or not, by the twin that has not trained on it."""
        self.measurement.update(self.twins, self.retained)
        self.progress.count_measured(len(self.samples))

    def choose(self) -> None:
        """Replace the provisional exponent by the one that generalizes best."""
        race = ExponentSearch(
            self.samples,
            self.measurement,
            self.sampler,
            proxy=self.proxy,
            table=self.twins.table,
            meter=self.progress,
            ran=self.trials,
            keep=self.save_checkpoint,
        )
        self.choice = choose(race)
        self.q = self.choice.q
        self.progress.finish()

    def retain(self, number: int) -> Round:
        """The round, once as many samples as its number allows are drawn by their score."""
        score = self.measurement.score(self.q)
        drawn = self.sampler.sample(score, self.measurement.performance, self.counts[number - 1])
        self.retained = drawn.retained
        self.last_round = np.where(drawn.retained, np.uint16(number), self.last_round)
        return Round(
            number=number,
            rounds=self.rounds,
            retained=drawn.retained,
            score=score.astype(np.float32),
            priority=drawn.priority,
            inclusion_probability=drawn.inclusion_probability,
            internal_generalization=self.measurement.internal_generalization,
            last_round=self.last_round,
            train_loss=self.loss,
            samples_trained=self.progress.rows_trained,
            samples_measured=self.progress.rows_measured,
            q=self.q,
            choice=self.choice,
        )

    # --- to be gone on with ---------------------------------------------------------------------------------------

    def save_checkpoint(self) -> None:
        """Offer the state between learning and retaining to whoever keeps it."""
        self.checkpointer.offer(self._state_dict)

    def _state_dict(self) -> StateDict:
        """All that decides how the run goes on. Twins that have nothing left to learn are left out."""
        own = {
            "learned": of_number(self.learned),
            "loss": of_number(self.loss),
            "retained": of_array(self.retained),
            "last_round": of_array(self.last_round),
            "random": torch.get_rng_state(),
        }
        twins = self.twins.state_dict() if self.learned < self.rounds else {}
        tried = {f"{number:02d}": ran.state_dict() for number, ran in enumerate(self.trials)}
        return merge_state_dicts(
            loop=own,
            twins=twins,
            measured=self.measurement.state_dict(),
            meter=self.progress.state_dict(),
            ran=merge_state_dicts(**tried),
        )

    def _load_state_dict(self, state: StateDict) -> None:
        """Go on where this state was kept."""
        own = sub_state_dict(state, "loop")
        self.learned, self.loss = int(own["learned"]), float(own["loss"])
        self.retained, self.last_round = own["retained"].numpy(), own["last_round"].numpy()
        torch.set_rng_state(own["random"])
        if self.learned < self.rounds:
            self.twins.load_state_dict(sub_state_dict(state, "twins"))
        self.measurement.load_state_dict(sub_state_dict(state, "measured"))
        self.progress.load_state_dict(sub_state_dict(state, "meter"), number=self.learned)
        tried = sub_state_dict(state, "ran")
        self.trials = [
            Trial.from_state_dict(sub_state_dict(tried, number))
            for number in sorted({name.split("/")[0] for name in tried})
        ]
