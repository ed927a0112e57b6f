"""How each method selects rows, and what a fresh model trains on in each epoch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from benchmarks.accuracy.baselines import BASELINES
from benchmarks.random_streams import BenchmarkStream
from benchmarks.setting import Select, Selection, SettingData, TimedResult, measure_time
from ted_core.plan import PruningPlan
from ted_core.random_streams import stream_rng
from ted_core.selection.prune import prune
from ted_core.selection.rounds import Round
from ted_core.training.batches import RowIndices

EpochRows = Callable[[SettingData, Selection, int, int], Sequence[RowIndices]]
"""(what is shared, selection, rows kept, epochs) → the rows of each epoch."""


@dataclass(frozen=True)
class SelectionMethod:
    """One column of the table."""

    select: Select
    epoch_rows: EpochRows


def everything(data: SettingData, _: float) -> Selection:
    """Select all rows."""
    return Selection(np.ones(len(data.train), bool))


def prune_with(**plan: Any) -> Select:
    """Return a function that selects what the service's own loop does with this plan."""

    def select(data: SettingData, kept: float) -> Selection:
        final = _final_round(data, kept, **plan)
        return _selection(final, final.value.retained)

    return select


def reversed_score(data: SettingData, kept: float) -> Selection:
    """Select, as an ablation, the rows whose score is lowest at the end of the loop with q = 1."""
    final = _final_round(data, kept, q=1.0)
    lowest = np.zeros(len(data.train), bool)
    lowest[np.argsort(final.value.score, kind="stable")[: data.rows_kept(kept)]] = True
    return _selection(final, lowest)


def _final_round(data: SettingData, kept: float, **plan: Any) -> TimedResult[Round]:
    pruning = PruningPlan(keep_ratio=kept, seed=data.seed, **plan)
    return measure_time(lambda: list(prune(data.train, pruning, proxy=data.proxy))[-1])


def _selection(final: TimedResult[Round], retained: Bool[np.ndarray, " samples"]) -> Selection:
    unseen = final.value.internal_generalization
    return Selection(
        retained=retained,
        seconds=final.seconds,
        rows_trained=final.value.samples_trained,
        rows_measured=final.value.samples_measured,
        q=final.value.q,
        internal_generalization=None if np.isnan(unseen).any() else unseen,
    )


def the_same_rows(_: SettingData, selection: Selection, __: int, epochs: int) -> list[RowIndices]:
    """Return the selection for every epoch."""
    return [np.flatnonzero(selection.retained)] * epochs


def fresh_random_rows(data: SettingData, _: Selection, rows: int, epochs: int) -> list[RowIndices]:
    """Return another random subset for each epoch."""
    rng = stream_rng(data.seed, BenchmarkStream.DYNAMIC_RANDOM)
    return [rng.permutation(len(data.train))[:rows] for _ in range(epochs)]


def pass_after_pass(data: SettingData, _: Selection, rows: int, epochs: int) -> list[RowIndices]:
    """Return all rows in random order, pass after pass, until as many rows are visited as with the selection."""
    rng, total = stream_rng(data.seed, BenchmarkStream.PASSES), rows * epochs
    passes = [rng.permutation(len(data.train)) for _ in range(-(-total // len(data.train)))]
    return list(np.concatenate(passes)[:total].reshape(epochs, rows))


FIXED_Q = (0, 0.25, 0.5, 1, 2, 4, 8)

METHODS: Mapping[str, SelectionMethod] = {
    "full": SelectionMethod(everything, the_same_rows),
    "random": SelectionMethod(prune_with(method="random"), the_same_rows),
    "stratified": SelectionMethod(prune_with(method="stratified"), the_same_rows),
    **{name: SelectionMethod(select, the_same_rows) for name, select in BASELINES.items()},
    "dynamic-random": SelectionMethod(everything, fresh_random_rows),
    "full-short": SelectionMethod(everything, pass_after_pass),
    "ted": SelectionMethod(prune_with(), the_same_rows),
    **{f"ted-q{q:g}": SelectionMethod(prune_with(q=q), the_same_rows) for q in FIXED_Q},
    "ted-parameter": SelectionMethod(prune_with(score="parameter"), the_same_rows),
    "ted-reversed": SelectionMethod(reversed_score, the_same_rows),
}
