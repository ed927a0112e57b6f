"""The state of one pruning run, and the steps of a round. ``ted_core.selection.prune`` puts them in order."""

import numpy as np
import torch

from ted_core.datasets import Samples
from ted_core.distributed.checkpoints import offer_together, saved_on_first_rank
from ted_core.plan import PruningPlan
from ted_core.proxies import ResolvedProxy
from ted_core.selection.execution import Execution
from ted_core.selection.progress import ProgressCounter
from ted_core.selection.rounds import Choice, RatioChoice, Round
from ted_core.selection.sampling import PoissonSampler
from ted_core.selection.schedule import epochs_of_round, loop_epochs, loop_rounds, retained_counts
from ted_core.selection.scores import SCORES
from ted_core.selection.trials.chooser import chooser
from ted_core.selection.trials.fresh_proxies import FreshProxies
from ted_core.selection.trials.half_trials import HalfTrials
from ted_core.selection.trials.ratio_choice import choose_ratio, share_seen
from ted_core.selection.trials.rule import Rule
from ted_core.selection.trials.trial import Trial
from ted_core.selection.trials.trials import Trials
from ted_core.selection.twins import Twins
from ted_core.selection.workload import loop_rows_trained
from ted_core.storage.checkpoint import StateDict, merge_state_dicts, of_array, of_number, sub_state_dict
from ted_core.training.predictions import Predictions

SMALLEST_SCORE = np.finfo(np.float32).tiny
"""Large exponents would leave samples none that single precision can hold, and thereby no chance to be kept."""


class Loop:
    """The twins, what they measured, and which samples are retained because of it."""

    def __init__(self, samples: Samples, plan: PruningPlan, proxy: ResolvedProxy, execution: Execution) -> None:
        self.samples, self.plan, self.proxy = samples, plan, proxy
        self.rounds = plan.rounds or loop_rounds(proxy.training.epochs)
        self.epochs = max(self.rounds, loop_epochs(proxy.training.epochs))
        self.counts = retained_counts(len(samples), plan.rows_kept(len(samples)), rounds=self.rounds)
        self.checkpointer, self.world = execution.checkpointer, execution.world
        work = loop_rows_trained(len(samples), plan, proxy)
        self.progress = ProgressCounter(execution.watch, rounds=self.rounds, work=work)
        twin_proxy = proxy.with_training(epochs=self.epochs)
        self.twins = Twins(samples, twin_proxy, seed=plan.seed, device=execution.device, world=self.world)
        self.measurement = SCORES[plan.score](len(samples), plan)
        self.sampler = PoissonSampler(samples.groups, plan)

        self.retained = np.ones(len(samples), bool)
        self.last_round = np.zeros(len(samples), np.uint16)
        self.last_trained = 0
        """The last round whose training and measuring are done."""
        self.loss = float("nan")
        """The twins' mean loss in its last epoch."""
        self.predictions: Predictions | None = None
        """Of every sample, when it was last measured."""
        self.rule = Rule.of(plan)
        self.choice: Choice | None = None
        self.ratio_choice: RatioChoice | None = None
        self.trials: list[Trial] = []
        """The rules and keep ratios that have been tried."""
        if saved := saved_on_first_rank(self.world, self.checkpointer.saved_state):
            self._load_state_dict(saved)

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
        """Measure every sample, pruned or not, with the twin that has not trained on it.

        Raises TrainingDiverged if this is the last round and a twin is far worse than it was untrained.
        """
        self.predictions = self.twins.out_of_sample_predictions()
        self.measurement.update(self.predictions, self.twins, retained=self.retained)
        self.progress.count_measured(len(self.samples))
        if self.last_trained == self.rounds:
            self.twins.require_descent(self.predictions)

    def choose_ratio(self) -> None:
        """Replace the keep ratio by the smallest whose loss stays inside the tolerance, if the plan leaves it open."""
        if self.plan.tolerance is None:
            return
        noise, classes = self.measurement.noise, len(self.samples.classes)
        seen = share_seen(noise.share, classes=classes) if noise and self.samples.one_class_each else 1.0
        self.ratio_choice = choose_ratio(self._half_trials(), self.rule, tolerance=self.plan.tolerance, seen=seen)
        self.plan = self.plan.keeping(self.ratio_choice.ratio)
        self.measurement = self.measurement.at(self.ratio_choice.ratio)
        self.counts[-1] = self.plan.rows_kept(len(self.samples))
        self.progress.finish()

    def choose_rule(self) -> None:
        """Replace the rule by the one that generalizes best, if the plan leaves it open."""
        choose = chooser(self.plan)
        if choose is None:
            return
        self.choice = choose(self._trials())
        self.rule = Rule(self.choice.rule, self.choice.q)
        self.progress.finish()

    def _half_trials(self) -> HalfTrials:
        table, half = self.twins.table, self.twins.folds[0]
        proxies = FreshProxies(self.samples, self.proxy, table, self.progress, self.plan.seed, self.world)
        return HalfTrials(self.measurement, self.sampler, proxies, half, self.trials, self.save_checkpoint)

    def _trials(self) -> Trials:
        return Trials(
            self.samples,
            self.measurement,
            self.sampler,
            proxy=self.proxy,
            table=self.twins.table,
            progress=self.progress,
            world=self.world,
            done=self.trials,
            save_checkpoint=self.save_checkpoint,
        )

    def retain(self, number: int) -> Round:
        """Sample as many rows as round ``number`` retains, by their scores, and return the finished round."""
        score = np.maximum(self.rule.score(self.measurement), SMALLEST_SCORE).astype(np.float32)
        sample = self.sampler.sample(score, self.measurement.order, self.counts[number - 1])
        self.retained = self.world.broadcast(sample.retained)
        self.last_round = np.where(self.retained, np.uint16(number), self.last_round)
        return Round(
            number=number,
            rounds=self.rounds,
            retained=self.retained,
            score=score,
            priority=sample.priority,
            inclusion_probability=sample.inclusion_probability if number == self.rounds else None,
            internal_generalization=self.measurement.mean("performance"),
            margin=self.measurement.mean("margin"),
            noise=self.measurement.noise,
            order=self.measurement.order.astype(np.float32),
            last_round=self.last_round,
            train_loss=self.loss,
            samples_trained=self.progress.rows_trained,
            samples_measured=self.progress.rows_measured,
            q=self.rule.q,
            rule=self.rule.name,
            choice=self.choice,
            ratio_choice=self.ratio_choice,
            predictions=self.predictions,
        )

    # --- checkpoints ----------------------------------------------------------------------------------------------

    def save_checkpoint(self) -> None:
        """Offer the current state to the checkpointer."""
        offer_together(self.world, self.checkpointer.offer, self._state_dict)

    def _state_dict(self) -> StateDict:
        """All that the remaining rounds depend on. Twins that have finished training are left out.

        All ranks call it; that of the first one holds what only the others know.
        """
        own = {
            "last_trained": of_number(self.last_trained),
            "loss": of_number(self.loss),
            "retained": of_array(self.retained),
            "last_round": of_array(self.last_round),
            "torch_rng": torch.stack(self.world.gather(torch.get_rng_state())),
        }
        trials = {f"{number:02d}": trial.state_dict() for number, trial in enumerate(self.trials)}
        return merge_state_dicts(
            loop=own,
            twins=self.twins.state_dict() if self.last_trained < self.rounds else {},
            measurement=self.measurement.state_dict(),
            predictions={} if self.predictions is None else _arrays(self.predictions),
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
        torch.set_rng_state(own["torch_rng"][self.world.rank].clone())
        if self.last_trained < self.rounds:
            self.twins.load_state_dict(sub_state_dict(state, "twins"))
        self.measurement.load_state_dict(sub_state_dict(state, "measurement"))
        if predicted := sub_state_dict(state, "predictions"):
            self.predictions = Predictions(**{name: value.numpy() for name, value in predicted.items()})
        self.progress.load_state_dict(sub_state_dict(state, "progress"), number=self.last_trained)
        trials = sub_state_dict(state, "trials")
        numbers = sorted({name.split("/")[0] for name in trials})
        self.trials = [Trial.from_state_dict(sub_state_dict(trials, number)) for number in numbers]


def _arrays(predictions: Predictions) -> StateDict:
    return {name: of_array(values) for name, values in vars(predictions).items() if values is not None}
