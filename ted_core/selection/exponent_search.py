"""How TED chooses its exponent q: by measuring how well each candidate's rows explain the others.

Which rows are worth most depends on the data and on how many are kept: hard ones if labels are clean and many are kept,
ones that the rest explains if labels are noisy or few are kept. So a fresh proxy is trained, for a part of the usual
epochs, on each candidate's rows, and tested on rows that it has not seen: those that the candidate prunes, and a random
slice that is held out from all candidates. Pruned rows are not a random sample of the data, but weighted by the inverse
of their probability of being left out (Horvitz and Thompson 1952) they represent all rows. No other data is needed, and
the test set stays unseen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan, nan

import numpy as np
from jaxtyping import Bool, Float, Float32

from ted_core.datasets import Samples
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.build import build
from ted_core.random_streams import Stream, stream_rng, stream_seed
from ted_core.selection.progress import ProgressCounter
from ted_core.selection.rounds import Candidate, Choice
from ted_core.selection.sampling import PoissonSampler
from ted_core.selection.scores import LogitScore
from ted_core.selection.workload import FIRST, GRID, shorten_training, slice_share
from ted_core.storage.checkpoint import StateDict, of_array, of_number
from ted_core.training.batches import Batches
from ted_core.training.trainer import Trainer


@dataclass(frozen=True)
class Trial:
    """A candidate and its result."""

    q: float | None
    accuracy: float
    """Estimated over all samples."""
    influence: Float[np.ndarray, " samples"]
    """What each sample contributes to the estimate's error; the squares add up to its variance."""
    rows_trained: int = 0
    """Row-visits of training that it took."""
    rows_measured: int = 0
    """Row-visits of measuring."""

    def state_dict(self) -> StateDict:
        """The trial as tensors; a missing exponent becomes NaN."""
        q = nan if self.q is None else self.q
        numbers = {"q": q, "accuracy": self.accuracy, "trained": self.rows_trained, "measured": self.rows_measured}
        return {"influence": of_array(self.influence)} | {name: of_number(value) for name, value in numbers.items()}

    @classmethod
    def from_state_dict(cls, state: StateDict) -> "Trial":
        """The trial with this state."""
        q, trained, measured = (state[name].item() for name in ("q", "trained", "measured"))
        influence = state["influence"].numpy()
        return cls(None if isnan(q) else q, state["accuracy"].item(), influence, int(trained), int(measured))


class ExponentSearch:
    """Trials of candidates on the same samples. Each trains a fresh proxy; all start from the same weights."""

    def __init__(
        self,
        samples: Samples,
        measurement: LogitScore,
        sampler: PoissonSampler,
        *,
        proxy: ResolvedProxy,
        table: Batches,
        progress: ProgressCounter,
        trials: list[Trial],
        save_checkpoint: Callable[[], None],
    ) -> None:
        """``trials`` are not repeated; each new one is added to them, and ``save_checkpoint`` is called."""
        self.samples, self.measurement, self.sampler = samples, measurement, sampler
        self.proxy = shorten_training(proxy, sampler.plan)
        self.table, self.progress = table, progress
        self.trials, self.save_checkpoint = trials, save_checkpoint
        self.seed = sampler.plan.seed
        self.share = slice_share(len(samples))
        numbers = stream_rng(self.seed, Stream.SEARCH_HELD_OUT).random(len(samples))
        self.held_out = numbers <= max(self.share, numbers.min())

    def run_trial(self, q: float | None) -> Trial:
        """Train a proxy on this candidate's rows and test it on the others, unless that has been done."""
        trial = next((trial for trial in self.trials if trial.q == q), None)
        if trial is None:
            trial = self._new_trial(q)
            self.trials.append(trial)
            self.save_checkpoint()
        return trial

    def _new_trial(self, q: float | None) -> Trial:
        rows_trained, rows_measured = self.progress.rows_trained, self.progress.rows_measured
        count = self.sampler.plan.rows_kept(len(self.samples))
        sample = self.sampler.sample(self.measurement.score(q), self.measurement.performance, count)
        unseen = ~sample.retained | self.held_out
        right = self._right(self._train(~unseen), unseen)
        weight = unseen / (1 - (1 - self.share) * sample.inclusion_probability)
        weight /= weight.sum()
        accuracy = float(weight @ right)
        return Trial(
            q,
            accuracy,
            influence=weight * (right - accuracy),
            rows_trained=self.progress.rows_trained - rows_trained,
            rows_measured=self.progress.rows_measured - rows_measured,
        )

    def _train(self, rows: Bool[np.ndarray, " samples"]) -> Trainer:
        model = build(self.proxy, self.samples, seed=stream_seed(self.seed, Stream.SEARCH_WEIGHTS))
        trainer = Trainer(model, self.proxy, device=str(self.table.device))
        for epoch in range(self.proxy.training.epochs):
            trainer.train_epoch(
                self.table,
                np.flatnonzero(rows),
                number=epoch,
                rng=stream_rng(self.seed, Stream.SEARCH_BATCHES, epoch),
                count_rows=self.progress.count_trained,
            )
        return trainer

    def _right(self, trainer: Trainer, rows: Bool[np.ndarray, " samples"]) -> Float32[np.ndarray, " samples"]:
        right = np.zeros(len(rows), np.float32)
        right[rows] = trainer.right(self.table, np.flatnonzero(rows))
        self.progress.count_measured(int(rows.sum()))
        return right


def choose_exponent(search: ExponentSearch) -> Choice:
    """The exponent whose proxy generalizes best, or random rows if they are ahead by more than a standard error.

    Random rows are what remains if the score is of no use. That is rare, so an error of measurement must not decide it.
    """
    trials, random = hill_climb(search.run_trial, grid=GRID, first=FIRST), search.run_trial(None)
    best = max(trials, key=lambda trial: trial.accuracy)
    chosen = random if random.accuracy - best.accuracy > _standard_error(random, best) else best
    return Choice(
        q=chosen.q,
        reason=_reason(chosen, random),
        candidates=tuple(_candidate(trial, chosen) for trial in [*trials, random]),
        samples_trained=sum(trial.rows_trained for trial in [*trials, random]),
        samples_measured=sum(trial.rows_measured for trial in [*trials, random]),
    )


def hill_climb(run: Callable[[float], Trial], *, grid: tuple[float, ...], first: tuple[float, float]) -> list[Trial]:
    """The trials of a walk along the grid: from the better of two neighbours on, until the next is no better."""
    trials = [run(q) for q in first]
    if trials[1].accuracy >= trials[0].accuracy:
        ahead = grid[grid.index(first[1]) + 1 :]
    else:
        ahead = grid[: grid.index(first[0])][::-1]
    best = max(trial.accuracy for trial in trials)
    for q in ahead:
        trials.append(run(q))
        if trials[-1].accuracy <= best:
            break
        best = trials[-1].accuracy
    return trials


def _standard_error(first: Trial, second: Trial) -> float:
    """Of the difference between two accuracies that were estimated on the same samples."""
    return float(np.sqrt(((first.influence - second.influence) ** 2).sum()))


def _candidate(trial: Trial, chosen: Trial) -> Candidate:
    return Candidate(trial.q, trial.accuracy, chosen.accuracy - trial.accuracy, _standard_error(trial, chosen))


def _reason(chosen: Trial, random: Trial) -> str:
    if chosen is random:
        return (
            "measured: random rows, spread evenly over classes and performance, generalized best to rows not trained on"
        )
    doubt = "; random rows were ahead by less than a standard error" if random.accuracy > chosen.accuracy else ""
    return f"measured: q = {chosen.q:g} generalized best to rows not trained on{doubt}"
