"""What is compared: each trains within a budget of row visits, and says what it took."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from benchmarks.accuracy.methods import METHODS as ACCURACY_METHODS
from benchmarks.dynamic.runs import (
    drawn_anew,
    highest_ranks,
    in_order_of_passes,
    measured_epochs,
    same_rows,
    train_twins,
    weighted,
)
from benchmarks.dynamic.schedules import shrinking_counts
from benchmarks.fresh_models import TrainingPass, train_weighted_model, training_seed
from benchmarks.setting import SettingData
from benchmarks.weighting.judging import Probabilities, probabilities_of
from ted_core.plan import PruningPlan
from ted_core.proxies import ResolvedProxy, resolve_proxy
from ted_core.selection.prune import prune
from ted_core.selection.rounds import Round
from ted_core.selection.workload import MEASURING_SHARE, row_work


@dataclass(frozen=True)
class DynamicRun:
    """What a trained model says of the test samples, and what it took."""

    models: list[Probabilities]
    """Several are averaged."""
    visits: float
    """Row visits of training of these models."""
    work: float
    """With those of selecting, of which measuring counts a third."""


@dataclass(frozen=True)
class Situation:
    """One setting's samples, what may be spent on them, and TED's loop."""

    data: SettingData
    share: float
    """Of a full run's row visits; also the keep ratio of the loop."""
    loops: dict[float, Round] = field(default_factory=dict)
    """Keep ratio → the last round, once it was needed."""

    @property
    def rows(self) -> int:
        """The training samples."""
        return len(self.data.train)

    @property
    def proxy(self) -> ResolvedProxy:
        """The proxy with all its settings."""
        return resolve_proxy(self.data.proxy)

    @property
    def budget(self) -> float:
        """The row visits that may be spent."""
        return self.share * self.data.epochs * self.rows

    @property
    def loop(self) -> Round:
        """The end of TED's loop, which is run once."""
        if self.share not in self.loops:
            plan = PruningPlan(keep_ratio=self.share, seed=self.data.seed)
            self.loops[self.share] = list(prune(self.data.train, plan, proxy=self.data.proxy))[-1]
        return self.loops[self.share]

    def counts(self, work: float, *, overhead: Callable[[int], float] = lambda _: 0.0) -> list[int] | None:
        """See ``shrinking_counts``."""
        return shrinking_counts(self.rows, work, epochs=self.data.epochs, overhead=overhead)


Run = Callable[[Situation, bool], DynamicRun | None]
"""(situation, whether what selecting takes has to fit into the budget too) → the run; None if that is too little."""
PassesOf = Callable[[Situation, float], Iterator[TrainingPass] | None]
"""(situation, row visits) → the passes of a run."""


def rival(situation: Situation, _: bool, *, name: str) -> DynamicRun:
    """Train by a method of ``benchmarks.accuracy`` that selects nothing beforehand."""
    data, method = situation.data, ACCURACY_METHODS[name]
    kept = situation.rows if name == "full" else data.rows_kept(situation.share)
    fitted = method.train(data, method.select(data, situation.share), kept, data.epochs)
    visits = kept * data.epochs
    return DynamicRun([probabilities_of(fitted, data.test)], visits, visits)


def replay(situation: Situation, counted: bool, *, passes_of: PassesOf) -> DynamicRun | None:
    """Train one model on rows that follow from the decisions of a finished job."""
    data, loop = situation.data, situation.loop
    spent = row_work(loop.samples_trained, loop.samples_measured)
    passes = list(passes_of(situation, situation.budget - counted * spent) or ())
    if not passes:
        return None
    visits, seed = sum(len(one.rows) for one in passes), training_seed(data.seed)
    ordered = in_order_of_passes(passes)
    fitted = train_weighted_model(data.train, ordered, visits=visits, proxy=situation.proxy, seed=seed)
    return DynamicRun([probabilities_of(fitted, data.test)], visits, visits + spent)


def static(situation: Situation, visits: float) -> Iterator[TrainingPass]:
    """Visit the kept rows in every pass."""
    return same_rows(situation.loop, round(visits))


def progressive(situation: Situation, visits: float) -> Iterator[TrainingPass] | None:
    """Visit all rows first, then fewer and fewer by rank."""
    counts = situation.counts(visits)
    return None if counts is None else highest_ranks(situation.loop, counts)


def redrawn(situation: Situation, visits: float) -> Iterator[TrainingPass]:
    """Visit rows that are drawn anew for each pass, in proportion to the scores."""
    kept = situation.data.rows_kept(situation.share)
    return drawn_anew(situation.loop, kept, passes=round(visits / kept), seed=situation.data.seed)


def redrawn_with_weights(situation: Situation, visits: float) -> Iterator[TrainingPass]:
    """Visit the same rows, with the inverse of their probability as a weight."""
    return weighted(redrawn(situation, visits), situation.loop)


def twins(situation: Situation, counted: bool) -> DynamicRun | None:
    """Train twins that prune as they go, by what they measure themselves."""
    data, rows = situation.data, situation.rows

    def measuring(epochs: int) -> float:
        return counted * MEASURING_SHARE * rows * len(measured_epochs(epochs))

    counts = situation.counts(situation.budget, overhead=measuring)
    if counts is None:
        return None
    plan = PruningPlan(keep_ratio=counts[-1] / rows, seed=data.seed)
    done = train_twins(data.train, situation.proxy, counts, plan=plan)
    return DynamicRun(done.probabilities(data.test), done.visits, row_work(done.visits, done.measured))


RIVALS: Mapping[str, Run] = {
    name: partial(rival, name=name) for name in ("full", "full-short", "dynamic-random", "infobatch")
}
TED: Mapping[str, Run] = {
    "ted": partial(replay, passes_of=static),
    "ted-progressive": partial(replay, passes_of=progressive),
    "ted-redrawn": partial(replay, passes_of=redrawn),
    "ted-redrawn-weighted": partial(replay, passes_of=redrawn_with_weights),
    "ted-twins": twins,
}
