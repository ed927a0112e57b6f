"""UNSEEN-like: errors of models that have not seen the row, in several steps (Xu et al., AAAI 2026, arXiv 2511.12988).

From "UNSEEN: enhancing dataset pruning from a generalization perspective" only the abstract was available: samples are
scored by models that were not exposed to them, with the score of any method that is plugged in; and in several steps a
coreset is selected incrementally, scored by models that were trained on varying coresets.

What is ours: the score is EL2N, the norm of the error vector, and the highest are kept. In the first step all rows are
split into two folds, each scored by a model trained on the other one, which costs one full run in all. The coreset
then grows by a third of the rows to keep in each of three steps: the later ones train one model on the coreset so far
and score the rows outside it. Rows that were selected stay. Every model trains for all the proxy's epochs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Bool, Float32

from benchmarks.random_streams import BenchmarkStream
from ted_core.datasets import Samples
from ted_core.proxies import ResolvedProxy
from ted_core.random_streams import stream_rng, stream_seed
from ted_core.selection.baselines.common import Quota, highest_rows
from ted_core.selection.baselines.early import error_norms
from ted_core.training.batches import RowIndices, measure_rows
from ted_core.training.trainer import fit

FOLDS, STEPS = 2, 3


@dataclass(frozen=True)
class UnseenSelection:
    """The rows after the last step, and what they cost."""

    retained: Bool[np.ndarray, " samples"]
    samples_trained: int
    samples_measured: int


def select_unseen(samples: Samples, quota: Quota, *, proxy: ResolvedProxy) -> UnseenSelection:
    """Select ``quota.count`` rows, in steps."""
    scoring = Scoring(samples, proxy, seed=quota.seed)
    score, coreset = scoring.of_folds(_folds(len(samples), quota.seed)), np.zeros(len(samples), bool)
    for step, count in enumerate(step_counts(quota.count), start=1):
        score = score if step == 1 else scoring.outside(coreset, step=step)
        coreset = grow(coreset, score, replace(quota, count=count))
    return UnseenSelection(coreset, scoring.samples_trained, scoring.samples_measured)


def step_counts(count: int) -> list[int]:
    """Return how many rows the coreset has after each step."""
    return [max(1, round(count * step / STEPS)) for step in range(1, STEPS + 1)]


def grow(
    coreset: Bool[np.ndarray, " samples"], score: Float32[np.ndarray, " samples"], quota: Quota
) -> Bool[np.ndarray, " samples"]:
    """Return the coreset with the highest scores outside it, ``quota.count`` rows in all."""
    return highest_rows(np.where(coreset, np.inf, score), quota)


def _folds(samples: int, seed: int) -> list[RowIndices]:
    return np.array_split(stream_rng(seed, BenchmarkStream.UNSEEN_FOLDS).permutation(samples), FOLDS)


class Scoring:
    """Trains models and has them score rows that they have not seen; counts both."""

    def __init__(self, samples: Samples, proxy: ResolvedProxy, *, seed: int) -> None:
        self.samples, self.proxy, self.seed = samples, proxy, seed
        self.samples_trained = self.samples_measured = 0

    def of_folds(self, folds: Sequence[RowIndices]) -> Float32[np.ndarray, " samples"]:
        """Return every row's error under a model that was trained on the other folds."""
        score = np.zeros(len(self.samples), np.float32)
        for number, fold in enumerate(folds):
            others = np.setdiff1d(np.arange(len(self.samples)), fold)
            score[fold] = self._errors(others, fold, path=(1, number))
        return score

    def outside(self, coreset: Bool[np.ndarray, " samples"], *, step: int) -> Float32[np.ndarray, " samples"]:
        """Return the errors outside the coreset under a model that was trained on it; zero inside."""
        score = np.zeros(len(self.samples), np.float32)
        score[~coreset] = self._errors(np.flatnonzero(coreset), np.flatnonzero(~coreset), path=(step,))
        return score

    def _errors(
        self, trained: RowIndices, scored: RowIndices, *, path: tuple[int, ...]
    ) -> Float32[np.ndarray, " scored"]:
        seed = stream_seed(self.seed, BenchmarkStream.UNSEEN_MODELS, *path)
        fitted = fit(self.samples, trained, proxy=self.proxy, seed=seed)
        fitted.trainer.model.eval()
        self.samples_trained += len(trained) * self.proxy.training.epochs
        self.samples_measured += len(scored)
        return measure_rows(fitted.table, scored, partial(error_norms, fitted.trainer.model))
