"""How TED chooses its exponent q: by internal generalization, measured.

Which rows are worth most depends on the data and on how many are kept: hard ones where labels are clean and much is
kept, ones that the rest explains where labels are noisy or little is kept. So a fresh proxy is trained, for a part of
the usual epochs, on each candidate's rows, and measured on rows it has not seen: those that the candidate prunes, and a
random slice that is withheld from all. Pruned rows are not a random sample of the data, but weighted by the inverse of
their chance to be left out (Horvitz and Thompson 1952) they speak for all rows. No other data is needed, and the test
set stays unseen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan, nan

import numpy as np
from jaxtyping import Bool, Float, Float32

from ted_core.datasets import Samples
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.build import build
from ted_core.selection.progress import ProgressCounter
from ted_core.selection.rounds import Candidate, Choice
from ted_core.selection.sampling import PoissonSampler
from ted_core.selection.scores import LogitScore
from ted_core.selection.workload import FIRST, GRID, shorten_training, slice_share
from ted_core.storage.checkpoint import StateDict, of_array, of_number
from ted_core.training.batches import Batches
from ted_core.training.trainer import Trainer

SLICE, INITIALIZATION, ORDER = range(300, 303)
"""What randomness is for; apart from every other use."""


@dataclass(frozen=True)
class Trial:
    """What became of one candidate."""

    q: float | None
    accuracy: float
    """Estimated over all samples."""
    influence: Float[np.ndarray, " samples"]
    """What each sample adds to the estimate's error; the squares sum up to its variance."""
    rows_trained: int = 0
    """Row-visits of training that it took."""
    rows_measured: int = 0
    """Row-visits of measuring."""

    def state_dict(self) -> StateDict:
        """As tensors; no exponent is not a number."""
        q = nan if self.q is None else self.q
        numbers = {"q": q, "accuracy": self.accuracy, "trained": self.rows_trained, "measured": self.rows_measured}
        return {"influence": of_array(self.influence)} | {name: of_number(value) for name, value in numbers.items()}

    @classmethod
    def from_state_dict(cls, state: StateDict) -> "Trial":
        """From its state."""
        q, trained, measured = (state[name].item() for name in ("q", "trained", "measured"))
        influence = state["influence"].numpy()
        return cls(None if isnan(q) else q, state["accuracy"].item(), influence, int(trained), int(measured))


class ExponentSearch:
    """Candidates on the same samples, each judged by a fresh proxy. All start from the same weights."""

    def __init__(
        self,
        samples: Samples,
        measured: LogitScore,
        drawing: PoissonSampler,
        *,
        proxy: ResolvedProxy,
        table: Batches,
        meter: ProgressCounter,
        ran: list[Trial],
        keep: Callable[[], None],
    ) -> None:
        """``ran``: candidates that need not be tried again; every other one is added, and ``keep`` called then."""
        self.samples, self.measurement, self.sampler = samples, measured, drawing
        self.proxy, self.table, self.progress = shorten_training(proxy, drawing.plan), table, meter
        self.trials, self.save_checkpoint = ran, keep
        seed = drawing.plan.seed
        self.share = slice_share(len(samples))
        lots = np.random.default_rng((seed, SLICE)).random(len(samples))
        self.held_out = lots <= max(self.share, lots.min())
        self.initial = int(np.random.SeedSequence((seed, INITIALIZATION)).generate_state(1)[0])

    def run_trial(self, q: float | None) -> Trial:
        """What a proxy that is trained on this candidate's rows makes of the others."""
        known = next((one for one in self.trials if one.q == q), None)
        if known is None:
            self.trials.append(known := self._new_trial(q))
            self.save_checkpoint()
        return known

    def _new_trial(self, q: float | None) -> Trial:
        trained, measured = self.progress.rows_trained, self.progress.rows_measured
        count = self.sampler.plan.rows_kept(len(self.samples))
        drawn = self.sampler.sample(self.measurement.score(q), self.measurement.performance, count)
        unseen = ~drawn.retained | self.held_out
        right = self._right(self._train(~unseen), unseen)
        weight = unseen / (1 - (1 - self.share) * drawn.inclusion_probability)
        weight /= weight.sum()
        accuracy = float(weight @ right)
        taken = self.progress.rows_trained - trained, self.progress.rows_measured - measured
        return Trial(q, accuracy, weight * (right - accuracy), *taken)

    def _train(self, rows: Bool[np.ndarray, " samples"]) -> Trainer:
        model = build(self.proxy, self.samples, seed=self.initial)
        trainee = Trainer(model, self.proxy, device=str(self.table.device))
        seed, count = (self.sampler.plan.seed, ORDER), self.progress.count_trained
        for number in range(self.proxy.training.epochs):
            trainee.train_epoch(self.table, np.flatnonzero(rows), number=number, seed=seed, count_rows=count)
        return trainee

    def _right(self, trainee: Trainer, rows: Bool[np.ndarray, " samples"]) -> Float32[np.ndarray, " samples"]:
        right = np.zeros(len(rows), np.float32)
        right[rows] = trainee.right(self.table, np.flatnonzero(rows))
        self.progress.count_measured(int(rows.sum()))
        return right


def choose(race: ExponentSearch) -> Choice:
    """The exponent whose proxy generalizes best, or random rows where they are ahead by more than a standard error.

    These are what remains when the score is of no use. That is seldom so, and a slip of the measurement must not
    decide it.
    """
    climbed, random = hill_climb(race.run_trial, grid=GRID, first=FIRST), race.run_trial(None)
    best = max(climbed, key=lambda one: one.accuracy)
    chosen = random if random.accuracy - best.accuracy > _standard_error(random, best) else best
    return Choice(
        q=chosen.q,
        reason=_reason(chosen, random),
        candidates=tuple(_candidate(one, chosen) for one in [*climbed, random]),
        samples_trained=sum(one.rows_trained for one in [*climbed, random]),
        samples_measured=sum(one.rows_measured for one in [*climbed, random]),
    )


def hill_climb(run: Callable[[float], Trial], *, grid: tuple[float, ...], first: tuple[float, float]) -> list[Trial]:
    """The runs of a walk along the grid: from the better one of two neighbours on, until the next is no better."""
    ran = [run(q) for q in first]
    step = 1 if ran[1].accuracy >= ran[0].accuracy else -1
    ahead = grid[grid.index(first[1]) + 1 :] if step > 0 else grid[: grid.index(first[0])][::-1]
    best = max(one.accuracy for one in ran)
    for q in ahead:
        ran.append(run(q))
        if ran[-1].accuracy <= best:
            break
        best = ran[-1].accuracy
    return ran


def _standard_error(one: Trial, other: Trial) -> float:
    """Of the difference between two accuracies that were estimated on the same samples."""
    return float(np.sqrt(((one.influence - other.influence) ** 2).sum()))


def _candidate(one: Trial, chosen: Trial) -> Candidate:
    return Candidate(one.q, one.accuracy, chosen.accuracy - one.accuracy, _standard_error(one, chosen))


def _reason(chosen: Trial, random: Trial) -> str:
    if chosen is random:
        return (
            "measured: random rows, spread evenly over classes and performance, generalized best to rows not trained on"
        )
    doubt = "; random rows were ahead by less than a standard error" if random.accuracy > chosen.accuracy else ""
    return f"measured: q = {chosen.q:g} generalized best to rows not trained on{doubt}"
