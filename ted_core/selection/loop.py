"""The state of one pruning run, and the steps of a round. ``ted_core.selection.prune`` puts them in order."""

import numpy as np
import torch

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ResolvedProxy
from ted_core.selection.execution import Execution
from ted_core.selection.exponent_search import ExponentSearch, Trial, choose_exponent
from ted_core.selection.progress import ProgressCounter
from ted_core.selection.rounds import Choice, Round
from ted_core.selection.sampling import PoissonSampler
from ted_core.selection.schedule import epochs_of_round, loop_epochs, retained_counts
from ted_core.selection.scores import SCORES
from ted_core.selection.twins import Twins
from ted_core.selection.workload import loop_rows_trained
from ted_core.storage.checkpoint import StateDict, merge_state_dicts, of_array, of_number, sub_state_dict

PROVISIONAL_Q = 1.0
"""The exponent of the loop until one is chosen."""


class Loop:
    """The twins, what they measured, and which samples are retained because of it."""

    def __init__(self, samples: Samples, plan: PruningPlan, proxy: ResolvedProxy, execution: Execution) -> None:
        epochs = loop_epochs(proxy.training.epochs)
        self.samples, self.plan, self.proxy = samples, plan, proxy
        self.rounds = plan.rounds or epochs
        self.epochs = max(self.rounds, epochs)
        self.counts = retained_counts(len(samples), plan.rows_kept(len(samples)), rounds=self.rounds)
        self.checkpointer = execution.checkpointer
        work = loop_rows_trained(len(samples), plan, proxy)
        self.progress = ProgressCounter(execution.watch, rounds=self.rounds, work=work)
        twin_proxy = proxy.with_training(epochs=self.epochs)
        self.twins = Twins(samples, twin_proxy, seed=plan.seed, device=execution.device)
        self.measurement = SCORES[plan.score](len(samples))
        self.sampler = PoissonSampler(samples.groups, plan)

        self.retained = np.ones(len(samples), bool)
        self.last_round = np.zeros(len(samples), np.uint16)
        self.last_trained = 0
        """The last round whose training and measuring are done."""
        self.loss = float("nan")
        """The twins' mean loss in its last epoch."""
        self.q: float | None = PROVISIONAL_Q if plan.q == "auto" else plan.q
        self.choice: Choice | None = None
        self.trials: list[Trial] = []
        """The candidates for the exponent that have been tried."""
        if self.checkpointer.saved_state:
            self._load_state_dict(self.checkpointer.saved_state)

    @property
    def remaining_rounds(self) -> range:
        """The rounds that are still to be yielded; the first of them may have been trained already."""
        return range(max(self.last_trained, 1), self.rounds + 1)

    def train(self, number: int) -> None:
        """Train each twin on the retained samples outside its own fold, for the epochs of this round."""
        self.progress.round = self.last_trained = number
        for epoch in epochs_of_round(number, rounds=self.rounds, epochs=self.epochs):
            self.loss = self.twins.train_epoch(self.retained, number=epoch, count_rows=self.progress.count_trained)

    def measure(self) -> None:
        """Measure every sample, pruned or not, with the twin that has not trained on it."""
        self.measurement.update(self.twins, self.retained)
        self.progress.count_measured(len(self.samples))

    def choose_exponent(self) -> None:
        """Replace the provisional exponent by the one that generalizes best."""
        search = ExponentSearch(
            self.samples,
            self.measurement,
            self.sampler,
            proxy=self.proxy,
            table=self.twins.table,
            progress=self.progress,
            trials=self.trials,
            save_checkpoint=self.save_checkpoint,
        )
        self.choice = choose_exponent(search)
        self.q = self.choice.q
        self.progress.finish()

    def retain(self, number: int) -> Round:
        """Sample as many rows as round ``number`` retains, by their scores, and return the finished round."""
        score = self.measurement.score(self.q)
        sample = self.sampler.sample(score, self.measurement.performance, self.counts[number - 1])
        self.retained = sample.retained
        self.last_round = np.where(sample.retained, np.uint16(number), self.last_round)
        return Round(
            number=number,
            rounds=self.rounds,
            retained=sample.retained,
            score=score.astype(np.float32),
            priority=sample.priority,
            inclusion_probability=sample.inclusion_probability,
            internal_generalization=self.measurement.internal_generalization,
            last_round=self.last_round,
            train_loss=self.loss,
            samples_trained=self.progress.rows_trained,
            samples_measured=self.progress.rows_measured,
            q=self.q,
            choice=self.choice,
        )

    # --- checkpoints ----------------------------------------------------------------------------------------------

    def save_checkpoint(self) -> None:
        """Offer the current state to the checkpointer."""
        self.checkpointer.offer(self._state_dict)

    def _state_dict(self) -> StateDict:
        """All that the remaining rounds depend on. Twins that have finished training are left out."""
        own = {
            "last_trained": of_number(self.last_trained),
            "loss": of_number(self.loss),
            "retained": of_array(self.retained),
            "last_round": of_array(self.last_round),
            "torch_rng": torch.get_rng_state(),
        }
        trials = {f"{number:02d}": trial.state_dict() for number, trial in enumerate(self.trials)}
        return merge_state_dicts(
            loop=own,
            twins=self.twins.state_dict() if self.last_trained < self.rounds else {},
            measurement=self.measurement.state_dict(),
            progress=self.progress.state_dict(),
            trials=merge_state_dicts(**trials),
        )

    def _load_state_dict(self, state: StateDict) -> None:
        """Resume from this state."""
        own = sub_state_dict(state, "loop")
        self.last_trained = int(own["last_trained"])
        self.loss = float(own["loss"])
        self.retained = own["retained"].numpy()
        self.last_round = own["last_round"].numpy()
        torch.set_rng_state(own["torch_rng"])
        if self.last_trained < self.rounds:
            self.twins.load_state_dict(sub_state_dict(state, "twins"))
        self.measurement.load_state_dict(sub_state_dict(state, "measurement"))
        self.progress.load_state_dict(sub_state_dict(state, "progress"), number=self.last_trained)
        trials = sub_state_dict(state, "trials")
        numbers = sorted({name.split("/")[0] for name in trials})
        self.trials = [Trial.from_state_dict(sub_state_dict(trials, number)) for number in numbers]
