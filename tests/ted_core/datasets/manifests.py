"""Manifests of small datasets, whose rows are loaded, and then kept or not by chance instead of by training."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ted_core.datasets import identify, load
from ted_core.results.decisions import Decisions, Reason
from ted_core.results.manifest_writer import write_manifest
from ted_core.results.provenance import CostFacts, DatasetFacts, Provenance, ProxyFacts, QChoice, ShardFacts
from tests.ted_core.datasets.files import spec


def manifest_of(path: Path, folder: Path, *, seed: int = 0, **choices: Any) -> Path:
    """Write a manifest of about half of the dataset's rows, and its decisions, into the folder."""
    dataset, roots = spec(path, **choices), [path.parent]
    samples, identity = load(dataset, roots=roots), identify(dataset, roots=roots)
    kept = np.zeros(samples.rows, bool)
    kept[np.random.default_rng(seed).permutation(samples.rows)[: samples.rows // 2]] = True
    label = np.full(samples.rows, -1, np.int32)
    label[samples.row_index] = samples.groups if samples.classes else -1
    decisions = Decisions(
        kept=kept,
        internal_generalization=np.zeros(samples.rows, np.float32),
        score=np.zeros(samples.rows, np.float32),
        rank=np.arange(samples.rows, dtype=np.uint64),
        last_round=np.ones(samples.rows, np.uint16),
        reason=np.where(kept, Reason.KEPT, Reason.RANDOM).astype(np.uint8),
        label=label,
        classes=samples.classes,
        sample_key=samples.sample_key,
    )
    facts = DatasetFacts(
        **dataset.model_dump() | {"format": identity.format},
        rows=identity.rows,
        shards=tuple(ShardFacts(**vars(shard)) for shard in identity.shards),
        fingerprint=identity.fingerprint,
    )
    provenance = Provenance(
        dataset=facts,
        plan={"keep_ratio": 0.5},
        q=QChoice(value=None, chosen_by="plan"),
        proxy=ProxyFacts(name="mlp", settings={}),
        seed=seed,
        determinism="bit-exact",
        cost=CostFacts(rows_trained=1, rows_measured=1, full_run_rows=1, seconds=1.0),
        device="cpu",
        versions={},
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return write_manifest(folder, decisions, provenance=provenance).manifest
