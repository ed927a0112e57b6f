"""Runs whose rows TED's scores choose anew while they go on: from a finished job's decisions, or from twins' own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from benchmarks.fresh_models import Passes, TrainingPass
from benchmarks.random_streams import BenchmarkStream
from benchmarks.weighting.judging import Probabilities, probabilities_of
from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ResolvedProxy
from ted_core.random_streams import stream_rng
from ted_core.results.weights import weights_of_rows
from ted_core.row_count import CountRows
from ted_core.selection.rounds import Round
from ted_core.selection.sampling import PoissonSampler, inclusion_probabilities
from ted_core.selection.scores import MarginScore
from ted_core.selection.twins import Twins
from ted_core.training.batches import RowIndices
from ted_core.training.trainer import FittedModel

MEASURED_EVERY = 2
"""Epochs; the first is never measured, nor is the last."""


def in_order_of_passes(passes: Sequence[TrainingPass]) -> Passes:
    """Return these passes one after the other, whatever the losses are."""
    following = iter(passes)
    return lambda _, __: next(following)


def unweighted(rows: RowIndices) -> TrainingPass:
    """Return a pass over these rows, all with the weight 1."""
    return TrainingPass(rows, np.ones(len(rows), np.float32))


def same_rows(final: Round, visits: int) -> Iterator[TrainingPass]:
    """Yield the kept rows until there are so many visits; the last pass ends after its first rows if need be."""
    rows = np.flatnonzero(final.retained)
    for done in range(0, visits, len(rows)):
        yield unweighted(rows[: visits - done])


def highest_ranks(final: Round, counts: Sequence[int]) -> Iterator[TrainingPass]:
    """Yield the rows of lowest rank, as many as each epoch has: what decisions.parquet says, replayed."""
    assert final.priority is not None, "TED ranks rows by a priority"  # noqa: S101
    ranked = np.lexsort((-final.priority, ~final.retained))
    for count in counts:
        yield unweighted(np.sort(ranked[:count]))


def drawn_anew(final: Round, count: int, *, passes: int, seed: int) -> Iterator[TrainingPass]:
    """Yield other rows for each pass, drawn in proportion to the scores that decisions.parquet has."""
    for number in range(passes):
        numbers = stream_rng(seed, BenchmarkStream.DYNAMIC_DRAWS, number).random(len(final.score))
        yield unweighted(np.sort(np.argsort(numbers / final.score)[:count]))


def weighted(passes: Iterator[TrainingPass], final: Round) -> Iterator[TrainingPass]:
    """Yield passes of as many rows each, with the weights that a manifest would give them."""
    for one in passes:
        drawn = np.isin(np.arange(len(final.score)), one.rows)
        groups = np.zeros(len(drawn), np.int64)
        probability = inclusion_probabilities(final.score.astype(float), drawn, groups=groups)
        yield replace(one, weights=weights_of_rows(drawn, probability.astype(np.float32))[one.rows])


@dataclass(frozen=True)
class TwinModels:
    """Twins that have been trained while their rows became fewer, and what that took."""

    twins: Twins
    visits: int
    measured: int

    def probabilities(self, samples: Samples) -> list[Probabilities]:
        """Return each twin's own probabilities."""
        fitted = (FittedModel(trainer, self.twins.table) for trainer in self.twins.trainers.values())
        return [probabilities_of(model, samples) for model in fitted]


def measured_epochs(epochs: int) -> list[int]:
    """Return after which epochs, counted from 1, twins measure all rows."""
    return list(range(MEASURED_EVERY, epochs, MEASURED_EVERY))


def train_twins(
    samples: Samples,
    proxy: ResolvedProxy,
    counts: Sequence[int],
    *,
    plan: PruningPlan,
    count_rows: CountRows = lambda _: None,
) -> TwinModels:
    """Train twins on as many rows as each epoch has, both together; what they retain follows from their own scores."""
    twins = Twins(samples, proxy.with_training(epochs=len(counts)), seed=plan.seed, device="cpu")
    score, sampler = MarginScore(len(samples), plan), PoissonSampler(samples.groups, plan)
    retained: Bool[np.ndarray, " samples"] = np.ones(len(samples), bool)
    measured = 0
    for number, following in enumerate([*counts[1:], counts[-1]], start=1):
        twins.train_epoch(retained, number=number - 1, count_rows=count_rows)
        if number in measured_epochs(len(counts)):
            score.update(twins.out_of_sample_predictions(), twins, retained=retained)
            measured += len(samples)
        if score.times:
            retained = sampler.sample(_positive(score.score()), score.order, following).retained
    return TwinModels(twins, sum(counts), measured)


def _positive(score: Float[np.ndarray, " samples"]) -> Float[np.ndarray, " samples"]:
    return np.asarray(np.maximum(score, np.finfo(np.float32).tiny))
