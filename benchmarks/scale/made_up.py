"""A dataset of any size, as twins would have measured it: no inputs, and predictions that are spread like real ones."""

from datetime import UTC, datetime

import numpy as np

from benchmarks.random_streams import BenchmarkStream
from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.random_streams import stream_rng
from ted_core.results.provenance import CostFacts, DatasetFacts, Provenance, ProxyFacts, QChoice, ShardFacts
from ted_core.selection.margin import margin_score
from ted_core.selection.rounds import Round
from ted_core.selection.sampling import PoissonSample
from ted_core.training.predictions import Predictions

CLASSES = 10
EASE, HARDNESS = 2.5, 0.5
"""The margin is 1 minus twice a beta variable of these parameters: most samples are easy, few are contradicted."""
ROWS_PER_SHARD = 10**7
CUT = 0.0


def made_up_samples(rows: int) -> Samples:
    """Samples of ten classes without inputs; every row is one."""
    labels = stream_rng(0, BenchmarkStream.SCALE).integers(0, CLASSES, rows)
    names = tuple(f"class {number}" for number in range(CLASSES))
    return Samples(np.empty((rows, 0), np.float32), labels, names, np.arange(rows, dtype=np.uint64), rows=rows)


def made_up_margins(samples: Samples) -> np.ndarray:
    """The mean out-of-sample margin of each sample, float32."""
    rng = stream_rng(1, BenchmarkStream.SCALE)
    margin = np.empty(len(samples), np.float32)
    for start in range(0, len(margin), 1 << 20):
        part = margin[start : start + (1 << 20)]
        part[:] = 1 - 2 * rng.beta(HARDNESS, EASE, len(part))
    return margin


def scores_of(margin: np.ndarray) -> np.ndarray:
    """The score of each margin, as the loop has it."""
    score = np.empty_like(margin)
    for start in range(0, len(margin), 1 << 20):
        part = slice(start, start + (1 << 20))
        score[part] = margin_score(margin[part].astype(np.float64), cut=CUT)
    return score


def last_round(samples: Samples, margin: np.ndarray, sample: PoissonSample) -> Round:
    """What the loop yields at its end."""
    likeliest, contradicted = samples.labels.astype(np.float32), margin < 0
    likeliest[contradicted] = (likeliest[contradicted] + 1) % CLASSES
    return Round(
        number=3,
        rounds=3,
        retained=sample.retained,
        score=sample.score,
        internal_generalization=(1 + margin) / 2,
        last_round=np.where(sample.retained, np.uint16(3), np.uint16(1)),
        train_loss=0.5,
        samples_trained=4 * len(samples),
        samples_measured=3 * len(samples),
        rule="margin",
        margin=margin,
        order=margin,
        priority=sample.priority,
        inclusion_probability=sample.inclusion_probability,
        predictions=Predictions((1 + margin) / 2, (margin > 0).astype(np.float32), margin, likeliest),
    )


def made_up_provenance(rows: int, plan: PruningPlan) -> Provenance:
    """What the manifest says about its origin."""
    sizes = [min(ROWS_PER_SHARD, rows - start) for start in range(0, rows, ROWS_PER_SHARD)]
    shards = [ShardFacts(name=f"{n:05}.parquet", rows=size, bytes=0, sha256="0" * 64) for n, size in enumerate(sizes)]
    dataset = {"uri": "made-up", "task": "tabular-classification", "format": "parquet"}
    return Provenance(
        dataset=DatasetFacts.model_validate(dataset | {"rows": rows, "shards": shards, "fingerprint": "sha256:0"}),
        plan=plan.model_dump(mode="json"),
        q=QChoice(value=None, chosen_by="plan"),
        proxy=ProxyFacts(name="mlp", settings={}),
        seed=plan.seed,
        determinism="bit-exact",
        cost=CostFacts(rows_trained=4 * rows, rows_measured=3 * rows, full_run_rows=12 * rows, seconds=1),
        device="cpu",
        versions={},
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
