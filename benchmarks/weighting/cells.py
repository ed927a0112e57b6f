"""One cell: rows that are kept, fresh models trained on them with and without weights, and what the rows estimate."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int64

from benchmarks.fresh_models import TrainingPass, train_weighted_model
from benchmarks.harness import machine, workers
from benchmarks.harness.result_set import ResultSet
from benchmarks.held_back.cells import HeldBackCell, held_back_parts
from benchmarks.held_back.label_noise import with_wrong_labels
from benchmarks.random_streams import BenchmarkStream
from benchmarks.setting import Folders
from benchmarks.weighting.judging import Quality, losses_of, probabilities_of
from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, ResolvedProxy, resolve_proxy
from ted_core.random_streams import stream_seed
from ted_core.results.weights import weights_of_rows
from ted_core.selection.prune import prune
from ted_core.training.trainer import FittedModel

MODELS = 2
RESULTS = ResultSet(
    "weighting",
    pa.schema(
        {
            "dataset": pa.string(),
            "noise": pa.string(),
            "kept": pa.float64(),
            "seed": pa.int64(),
            "rule": pa.string(),
            "rows": pa.int64(),
            "epochs": pa.int64(),
            "accuracy": pa.float64(),  # means of the fresh models, on rows held back with their true labels
            "log_loss": pa.float64(),
            "calibration_error": pa.float64(),
            "mean_loss": pa.float64(),  # estimates from the rule's rows, their labels as they are; see ``estimates``
            "mean_accuracy": pa.float64(),
            "class_distance": pa.float64(),
            **machine.COLUMNS,
        }
    ),
)


@dataclass(frozen=True)
class WeightingCell:
    """Everything that the numbers depend on."""

    split: HeldBackCell

    def file(self, results: Path) -> Path:
        """Return the path of the cell's rows once it is finished."""
        return RESULTS.path(results, self.split.file(results).name)


@dataclass(frozen=True)
class WeightedRows:
    """Rows that a rule keeps, and their weights, of mean 1."""

    rows: Int64[np.ndarray, " kept"]
    weights: Float32[np.ndarray, " kept"]


@dataclass(frozen=True)
class ReferenceModel:
    """What a model that has seen none of the samples makes of each of them: a loss, and whether it is right."""

    losses: np.ndarray
    hits: np.ndarray


def run_cell(cell: WeightingCell, say: workers.Say, *, folders: Folders) -> None:
    """Measure one cell and write its rows."""
    RESULTS.fill(cell.file(folders.results), lambda: measure_cell(cell.split, folders), say=say)


def measure_cell(cell: HeldBackCell, folders: Folders) -> list[dict[str, Any]]:
    """Select, train with every rule's rows and weights, and estimate what the rows say about all."""
    samples, held_back = held_back_parts(cell, folders)
    samples, _ = with_wrong_labels(samples, cell.noise, seed=cell.seed)
    proxy = resolve_proxy(ProxySpec(name="mlp"), kind=samples.kind)
    reference = _reference(samples, held_back, proxy, seed=cell.seed)
    shared: dict[str, Any] = {"dataset": cell.dataset, "noise": cell.noise, "kept": cell.kept, "seed": cell.seed}
    shared |= {"rows": len(samples), "epochs": proxy.training.epochs} | machine.versions()
    return [
        shared
        | {"rule": name}
        | _qualities(samples, held_back, rule, proxy=proxy, seed=cell.seed)
        | estimates(rule, reference, samples.labels)
        for name, rule in _rules(samples, proxy, cell).items()
    ]


def _rules(samples: Samples, proxy: ResolvedProxy, cell: HeldBackCell) -> Mapping[str, WeightedRows]:
    """Give every rule its rows and weights."""
    everything = np.arange(len(samples))
    random = _drawn(samples, proxy, PruningPlan(method="stratified", keep_ratio=cell.kept, seed=cell.seed))
    ted = _drawn(samples, proxy, PruningPlan(keep_ratio=cell.kept, seed=cell.seed))
    return {"full": _alike(everything), "stratified": random, "ted": _alike(ted.rows), "ted-weighted": ted}


def _alike(rows: Int64[np.ndarray, " kept"]) -> WeightedRows:
    return WeightedRows(rows, np.ones(len(rows), np.float32))


def _drawn(samples: Samples, proxy: ResolvedProxy, plan: PruningPlan) -> WeightedRows:
    *_, final = prune(samples, plan, proxy=proxy)
    assert final.inclusion_probability is not None, "these methods draw"  # noqa: S101
    rows = np.flatnonzero(final.retained)
    return WeightedRows(rows, weights_of_rows(final.retained, final.inclusion_probability.astype(np.float32))[rows])


def _qualities(
    samples: Samples, held_back: Samples, rule: WeightedRows, *, proxy: ResolvedProxy, seed: int
) -> dict[str, float]:
    """Return the mean quality of the fresh models on the rows that were held back."""
    models = [_trained(samples, rule, proxy, seed=seed, model=model) for model in range(MODELS)]
    judged = [asdict(Quality.of(probabilities_of(model, held_back), held_back.labels)) for model in models]
    return {name: mean(one[name] for one in judged) for name in judged[0]}


def _trained(samples: Samples, rule: WeightedRows, proxy: ResolvedProxy, *, seed: int, model: int) -> FittedModel:
    whole, visits = TrainingPass(rule.rows, rule.weights), len(rule.rows) * proxy.training.epochs
    one = stream_seed(seed, BenchmarkStream.FRESH_MODELS, model)
    return train_weighted_model(samples, lambda _, __: whole, visits=visits, proxy=proxy, seed=one)


def _reference(samples: Samples, held_back: Samples, proxy: ResolvedProxy, *, seed: int) -> ReferenceModel:
    """Train on the rows that were held back, so that no sample is known to the model."""
    model = _trained(held_back, _alike(np.arange(len(held_back))), proxy, seed=seed, model=MODELS)
    probabilities = probabilities_of(model, samples)
    return ReferenceModel(losses_of(probabilities, samples.labels), probabilities.argmax(1) == samples.labels)


def estimates(rule: WeightedRows, reference: ReferenceModel, labels: Int64[np.ndarray, " samples"]) -> dict[str, float]:
    """Return what the rule's rows say of all rows: the reference model's mean loss and accuracy, the classes' shares.

    ``class_distance`` is the total variation distance of the classes' shares from those of all rows, between 0 and 1.
    """
    weights = rule.weights / rule.weights.sum(dtype=np.float64)
    return {
        "mean_loss": float(weights @ reference.losses[rule.rows]),
        "mean_accuracy": float(weights @ reference.hits[rule.rows]),
        "class_distance": float(
            np.abs(_shares(labels[rule.rows], weights, labels) - _shares(labels, None, labels)).sum() / 2
        ),
    }


def _shares(own: np.ndarray, weights: np.ndarray | None, labels: np.ndarray) -> np.ndarray:
    counts = np.bincount(own, weights, minlength=int(labels.max()) + 1)
    return np.asarray(counts / counts.sum())
