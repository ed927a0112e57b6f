"""What all cells of one dataset, noise and seed share: the samples, and the runs that several baselines score by."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from jaxtyping import Bool, Float32

from benchmarks import datasets
from benchmarks.rivals.trajectory import Trajectory, watch_training
from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.proxies.spec import Precision
from ted_core.selection.baselines.common import Quota
from ted_core.selection.baselines.early import EarlyScores, early_scores, error_norms
from ted_core.selection.baselines.training_dynamics import Measure, Observation, observe
from ted_core.selection.twins import Twins
from ted_core.training.gradients import gradient_norms

T = TypeVar("T")


@dataclass(frozen=True)
class TimedResult(Generic[T]):
    """A value, and the seconds that it took."""

    value: T
    seconds: float
    processor_seconds: float
    """Of all threads of this process."""


def measure_time(function: Callable[[], T]) -> TimedResult[T]:
    """Call the function and return its value with the time it took."""
    began, processor = time.perf_counter(), time.process_time()
    value = function()
    return TimedResult(value, time.perf_counter() - began, time.process_time() - processor)


@dataclass(frozen=True)
class Folders:
    """Where real data is read and results are written."""

    data: Path
    results: Path


@dataclass(frozen=True)
class Setting:
    """A dataset with noise in its training labels, drawn from the seed that also seeds everything else."""

    dataset: str
    noise: float
    seed: int
    epochs: int | None = None
    """Of the proxy; None for its own default."""
    rows: int | None = None
    """The most training rows; None for all."""
    precision: Precision | None = None
    """Of the proxy; None for its own default."""

    @property
    def name(self) -> str:
        """Everything that the numbers depend on, as part of a file's name."""
        settings = f"epochs{self.epochs or 'default'}-rows{self.rows or 'all'}"
        settings += f"-{self.precision}" if self.precision else ""
        return f"{self.dataset}-noise{self.noise:g}-{settings}-seed{self.seed}"

    @property
    def columns(self) -> dict[str, Any]:
        """What every row of results says about the setting."""
        return {name: getattr(self, name) for name in ("dataset", "noise", "seed")}


@dataclass(frozen=True)
class SettingData:
    """The samples with the setting's noise, and what is measured on them at most once."""

    train: Samples
    flipped: Bool[np.ndarray, " samples"]
    """The training samples whose label is noise."""
    test: Samples
    proxy: ProxySpec
    seed: int

    @property
    def epochs(self) -> int:
        """The epochs of one full training run."""
        return resolve_proxy(self.proxy).training.epochs

    @property
    def columns(self) -> dict[str, Any]:
        """What rows of results say about the samples and the proxy."""
        return {"epochs": self.epochs, "rows_train": len(self.train), "precision": self.proxy.precision}

    def rows_kept(self, kept: float) -> int:
        """Return how many rows a cell trains on in each epoch."""
        return len(self.train) if kept == 1 else PruningPlan(keep_ratio=kept).rows_kept(len(self.train))

    def quota(self, kept: float) -> Quota:
        """Return what this keep ratio requires of the baselines."""
        return Quota.of(self.train, PruningPlan(keep_ratio=kept, seed=self.seed))

    @cached_property
    def observation(self) -> TimedResult[Observation]:
        """One ordinary training run, watched: for forgetting, CCS and DUAL at every keep ratio."""
        return measure_time(lambda: observe(self.train, resolve_proxy(self.proxy), seed=self.seed))

    @cached_property
    def trajectory(self) -> TimedResult[Trajectory]:
        """One ordinary training run, watched for AUM and TDDS at every keep ratio."""
        return measure_time(lambda: watch_training(self.train, resolve_proxy(self.proxy), seed=self.seed))

    @cached_property
    def error_norms(self) -> TimedResult[EarlyScores]:
        """The EL2N scores, for every keep ratio."""
        return self._early(error_norms)

    @cached_property
    def gradient_norms(self) -> TimedResult[EarlyScores]:
        """The GraNd scores, for every keep ratio; with models of its own, so that its time is that of GraNd alone."""
        return self._early(gradient_norms)

    @cached_property
    def twins(self) -> Twins:
        """Twins trained on halves of all samples for as long as a full run."""
        proxy, everything = resolve_proxy(self.proxy), np.ones(len(self.train), bool)
        twins = Twins(self.train, proxy, seed=self.seed, device="cpu")
        for number in range(proxy.training.epochs):
            twins.train_epoch(everything, number=number, count_rows=lambda _: None)
        return twins

    def _early(self, measure: Measure) -> TimedResult[EarlyScores]:
        return measure_time(lambda: early_scores(self.train, resolve_proxy(self.proxy), [measure], seed=self.seed))


@dataclass(frozen=True)
class Selection:
    """Which rows, and what finding them cost."""

    retained: Bool[np.ndarray, " samples"]
    """Every row where each epoch has rows of its own."""
    seconds: float = 0.0
    rows_trained: int = 0
    rows_measured: int = 0
    q: float | None = None
    internal_generalization: Float32[np.ndarray, " samples"] | None = None
    weights: Float32[np.ndarray, " samples"] | None = None
    """Under which the retained rows stand for all rows, as in the manifest; None where chance had no part in them."""


Select = Callable[[SettingData, float], Selection]
"""(what is shared, keep ratio) → selection."""


@lru_cache(maxsize=1)
def load_split(name: str, folders: Folders) -> datasets.Split:
    """Read the dataset; a process that stays with it reads it once."""
    return datasets.BENCHMARKS[name].read(folders.data, folders.results / "features")


def load_setting(setting: Setting, folders: Folders) -> SettingData:
    """Return the setting's samples."""
    train, test = load_split(setting.dataset, folders)
    train, flipped = datasets.flip_labels(datasets.at_most(train, setting.rows), setting.noise, seed=setting.seed)
    name = datasets.BENCHMARKS[setting.dataset].proxy
    proxy = ProxySpec(name=name, epochs=setting.epochs, precision=setting.precision)
    return SettingData(train, flipped, test, proxy, setting.seed)
