"""How each method selects rows, and what a fresh model trains on in each epoch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32

from benchmarks.accuracy.baselines import BASELINES, RIVALS
from benchmarks.fresh_models import Passes, TrainingPass, train_fresh_model, train_weighted_model, training_seed
from benchmarks.random_streams import BenchmarkStream
from benchmarks.rivals.infobatch import InfoBatch
from benchmarks.setting import Select, Selection, SettingData, TimedResult, measure_time
from ted_core.plan import PruningPlan
from ted_core.proxies import resolve_proxy
from ted_core.random_streams import stream_rng
from ted_core.results.weights import weights_of_rows
from ted_core.selection.prune import prune
from ted_core.selection.rounds import Round
from ted_core.training.batches import RowIndices
from ted_core.training.trainer import FittedModel

EpochRows = Callable[[SettingData, Selection, int, int], Sequence[RowIndices]]
"""(what is shared, selection, rows kept, epochs) → the rows of each epoch."""
WeightedPasses = Callable[[SettingData, Selection, int, int], Passes]
"""The same → the passes of a training with weights, which visits as many rows."""
Train = Callable[[SettingData, Selection, int, int], FittedModel]
"""The same → a fresh model."""


@dataclass(frozen=True)
class SelectionMethod:
    """One column of the table."""

    select: Select
    train: Train


def on_rows(epoch_rows: EpochRows) -> Train:
    """Return a function that trains on these rows in each epoch."""

    def train(data: SettingData, selection: Selection, rows: int, epochs: int) -> FittedModel:
        proxy, seed = resolve_proxy(data.proxy), training_seed(data.seed)
        return train_fresh_model(data.train, epoch_rows(data, selection, rows, epochs), proxy=proxy, seed=seed)

    return train


def on_passes(passes: WeightedPasses) -> Train:
    """Return a function that trains on these passes until as many rows are visited as in so many epochs."""

    def train(data: SettingData, selection: Selection, rows: int, epochs: int) -> FittedModel:
        proxy, seed = resolve_proxy(data.proxy), training_seed(data.seed)
        weighted = passes(data, selection, rows, epochs)
        return train_weighted_model(data.train, weighted, visits=rows * epochs, proxy=proxy, seed=seed)

    return train


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
        weights=weights_of_rows(retained, _as_written(final.value.inclusion_probability)),
    )


def _as_written(probability: Float[np.ndarray, " samples"] | None) -> Float32[np.ndarray, " samples"] | None:
    return None if probability is None else probability.astype(np.float32)


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


def weighted_rows(_: SettingData, selection: Selection, __: int, ___: int) -> Passes:
    """Return the selection for every pass, under the weights of its manifest."""
    assert selection.weights is not None, "only what was drawn has weights"  # noqa: S101
    rows = np.flatnonzero(selection.retained)
    whole = TrainingPass(rows, selection.weights[rows])
    return lambda _, __: whole


def infobatch(data: SettingData, _: Selection, rows: int, epochs: int) -> Passes:
    """Return InfoBatch's passes over all rows."""
    return InfoBatch(visits=rows * epochs, seed=data.seed)


FIXED_Q = (0, 0.25, 0.5, 1, 2, 4, 8)

METHODS: Mapping[str, SelectionMethod] = {
    "full": SelectionMethod(everything, on_rows(the_same_rows)),
    "random": SelectionMethod(prune_with(method="random"), on_rows(the_same_rows)),
    "stratified": SelectionMethod(prune_with(method="stratified"), on_rows(the_same_rows)),
    **{name: SelectionMethod(select, on_rows(the_same_rows)) for name, select in {**BASELINES, **RIVALS}.items()},
    "dynamic-random": SelectionMethod(everything, on_rows(fresh_random_rows)),
    "infobatch": SelectionMethod(everything, on_passes(infobatch)),
    "full-short": SelectionMethod(everything, on_rows(pass_after_pass)),
    "ted": SelectionMethod(prune_with(), on_rows(the_same_rows)),
    "ted-weighted": SelectionMethod(prune_with(), on_passes(weighted_rows)),
    **{f"ted-q{q:g}": SelectionMethod(prune_with(q=q), on_rows(the_same_rows)) for q in FIXED_Q},
    "ted-parameter": SelectionMethod(prune_with(score="parameter"), on_rows(the_same_rows)),
    "ted-reversed": SelectionMethod(reversed_score, on_rows(the_same_rows)),
}
"""Methods that train on other rows in each epoch (dynamic-random, infobatch, full-short) visit as many rows in all as
the others do."""
