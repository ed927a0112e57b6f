"""Measure what pruning really does to each sample: retrain many models on random halves of the samples, some on all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Float64
from scipy.stats import spearmanr

from benchmarks.fresh_models import train_fresh_model
from benchmarks.harness import storage
from benchmarks.random_streams import BenchmarkStream
from benchmarks.setting import SettingData
from benchmarks.vectorized import TrainingRun, fit_together, in_groups
from ted_core.proxies import resolve_proxy
from ted_core.random_streams import stream_rng, stream_seed
from ted_core.training.batches import RowIndices

HALVES, WHOLES = BenchmarkStream.HALVES, BenchmarkStream.WHOLES
Performances = Float32[np.ndarray, "models samples"]


@dataclass(frozen=True)
class Truth:
    """What pruning does to a_i, sample by sample."""

    spread: Float64[np.ndarray, " samples"]
    """The standard deviation of a_i over the halves."""
    distance: Float64[np.ndarray, " samples"]
    """|mean a_i over full data - mean a_i over the halves without i|."""
    own_effect: Float64[np.ndarray, " samples"]
    """Mean a_i over the halves with i - mean a_i over those without."""

    @classmethod
    def of(cls, halves: Performances, included: Bool[np.ndarray, "models samples"], wholes: Performances) -> "Truth":
        """Compute it from the models' performance and the rows of each half; each row is in some halves, not in all."""
        values = halves.astype(float)
        without = np.where(included, 0, values).sum(0) / (~included).sum(0)
        within = np.where(included, values, 0).sum(0) / included.sum(0)
        return cls(values.std(0, ddof=1), np.abs(wholes.astype(float).mean(0) - without), within - without)

    def correlations(self, score: np.ndarray) -> dict[str, float]:
        """Return Spearman's rank correlation of a score with each of the measures."""
        return {field.name: float(spearmanr(score, getattr(self, field.name)).statistic) for field in fields(self)}

    def agreement(self, other: "Truth") -> dict[str, float]:
        """Return the same between two measurements of the same truth."""
        return {field.name: other.correlations(getattr(self, field.name))[field.name] for field in fields(self)}


def half(samples: int, *, seed: int, number: int) -> RowIndices:
    """Return half of the samples; models 2k and 2k + 1 share out all of them: each sample is in half of the models."""
    pair, second = divmod(number, 2)
    order, size = stream_rng(seed, HALVES, pair).permutation(samples), samples // 2
    return np.sort(order[size : 2 * size] if second else order[:size])


def whole(samples: int, **_: int) -> RowIndices:
    """Return all samples."""
    return np.arange(samples)


PARTS: Mapping[int, Callable[..., RowIndices]] = {HALVES: half, WHOLES: whole}


def run_of(samples: int, *, use: int, seed: int, number: int) -> TrainingRun:
    """Return the rows and the seed of one model."""
    rows = PARTS[use](samples, seed=seed, number=number)
    return TrainingRun(rows, stream_seed(seed, BenchmarkStream.RETRAINED_MODELS, use, number))


def inclusion(runs: Sequence[TrainingRun], samples: int) -> Bool[np.ndarray, "models samples"]:
    """Return which samples each model trains on."""
    return np.array([np.isin(np.arange(samples), run.rows) for run in runs])


def retrain_together(data: SettingData, runs: Sequence[TrainingRun]) -> Performances:
    """Return the performance of perceptrons on all samples, trained in groups."""
    proxy = resolve_proxy(data.proxy)
    performances = [fit_together(data.train, group, proxy=proxy).performance() for group in in_groups(runs)]
    return np.concatenate(performances)


def retrain_one_by_one(data: SettingData, runs: Sequence[TrainingRun]) -> Performances:
    """Return the performance of any other model on all samples, trained one by one."""
    return np.stack([_performance(data, run) for run in runs])


def _performance(data: SettingData, run: TrainingRun) -> Float32[np.ndarray, " samples"]:
    proxy = resolve_proxy(data.proxy)
    fitted = train_fresh_model(data.train, [run.rows] * proxy.training.epochs, proxy=proxy, seed=run.seed)
    return fitted.trainer.performance(fitted.table, np.arange(len(data.train)))


RETRAINERS: Mapping[str, Callable[[SettingData, Sequence[TrainingRun]], Performances]] = {"mlp": retrain_together}
"""Proxy → how its models are retrained if not one by one."""


def retrain(data: SettingData, runs: Sequence[TrainingRun], path: Path) -> None:
    """Write the models' performance to a file."""
    performance = RETRAINERS.get(data.proxy.name, retrain_one_by_one)(data, runs)
    with storage.durably(path) as unfinished:
        np.savez(unfinished, performance=performance)


def performance_in(path: Path) -> Performances:
    """Read what ``retrain`` wrote."""
    with np.load(path) as arrays:
        return np.asarray(arrays["performance"])
