"""Decisions about a small dataset, and where they come from."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from ted_core.datasets import DatasetSpec, identify
from ted_core.results.decisions import Decisions, Reason
from ted_core.results.provenance import CostFacts, DatasetFacts, Provenance, ProxyFacts, QChoice, ShardFacts
from ted_core.selection.rounds import RatioChoice
from tests.reports import RATIO

SHARD_ROWS = (3, 5)
ROWS = sum(SHARD_ROWS)
KEPT = (1, 2, 3, 7)


def decided(kept: tuple[int, ...] = KEPT) -> Decisions:
    mask = np.isin(np.arange(ROWS), kept)
    return Decisions(
        kept=mask,
        internal_generalization=np.linspace(0, 1, ROWS, dtype=np.float32),
        score=np.linspace(1, 0, ROWS, dtype=np.float32),
        rank=np.arange(ROWS, dtype=np.uint64),
        last_round=np.full(ROWS, 4, np.uint16),
        reason=np.where(mask, Reason.KEPT, Reason.WELL_GENERALIZED).astype(np.uint8),
        label=np.array([0, 1, 0, -1, 1, 0, 1, 0], np.int32),
        classes=("cat", "dog"),
        sample_key=pa.array([f"row-{row}" for row in range(ROWS)]),
    )


def chosen_ratio(ratio: float) -> RatioChoice:
    """The choice of a keep ratio, from a curve on which 30 % of the rows cost a point."""
    return replace(RATIO, ratio=ratio)


def provenance(dataset: Path) -> Provenance:
    spec = DatasetSpec(uri=str(dataset), task="tabular-classification")
    identity = identify(spec, roots=[dataset.parent])
    facts = DatasetFacts(
        **spec.model_dump() | {"format": identity.format},
        rows=identity.rows,
        shards=tuple(ShardFacts(**vars(shard)) for shard in identity.shards),
        fingerprint=identity.fingerprint,
    )
    return Provenance(
        dataset=facts,
        plan={"keep_ratio": 0.5},
        q=QChoice(value=2, chosen_by="plan"),
        proxy=ProxyFacts(name="mlp", settings={}),
        seed=0,
        determinism="bit-exact",
        cost=CostFacts(rows_trained=10, rows_measured=20, full_run_rows=20, seconds=1.5),
        device="cpu",
        versions={"torch": "2"},
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
