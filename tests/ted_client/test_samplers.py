"""Samplers draw rows as often as they weigh, and replay a job's rounds, the same in every run and on every rank."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from ted_client.subset import ProgressiveSampler, WeightedSampler, retained
from ted_core.errors import ManifestMismatch, RoundsUnknown, WeightsUnknown
from ted_core.results.decisions import Reason
from ted_core.results.manifest_writer import write_manifest
from tests.ted_core.datasets.files import parquet
from tests.ted_core.results.decided import KEPT, ROWS, decided, provenance

WEIGHTS = [0.5, 0.5, 1.0, 2.0]
LAST_ROUNDS = [2, 4, 4, 4, 3, 2, 0, 4]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return parquet(tmp_path / "data.parquet", x=[float(row) for row in range(ROWS)], label=[0, 1] * (ROWS // 2))


@pytest.fixture
def manifest(data: Path, tmp_path: Path) -> Path:
    probability = np.array([0.5, 0.8, 0.8, 0.4, 0.5, 0.5, 0.5, 0.2], np.float32)
    drawn = replace(decided(), inclusion_probability=probability)
    return write_manifest(tmp_path / "weighted", drawn, provenance=provenance(data)).manifest


def decisions(data: Path, folder: Path, *, method: str = "ted") -> Path:
    """Of four rounds; the last but one row cannot be decoded."""
    reason = decided().reason.copy()
    reason[6] = Reason.UNDECODABLE
    rounds = replace(decided(), last_round=np.array(LAST_ROUNDS, np.uint16), reason=reason)
    facts = provenance(data).model_copy(update={"plan": {"keep_ratio": 0.5, "method": method, "rounds": None}})
    return write_manifest(folder / method, rounds, provenance=facts).decisions


# --- weights ----------------------------------------------------------------------------------------------------------


def test_rows_are_drawn_as_often_as_they_weigh(manifest: Path) -> None:
    subset = retained(range(ROWS), manifest)

    drawn = Counter(DataLoader(subset, sampler=WeightedSampler(manifest, draws=40_000), batch_size=None))

    assert [drawn[row] / 10_000 for row in KEPT] == pytest.approx(WEIGHTS, rel=0.05)


def test_epochs_differ_and_can_be_repeated(manifest: Path) -> None:
    sampler = WeightedSampler(manifest, draws=50)

    first, second = list(sampler), list(sampler)
    sampler.set_epoch(0)

    assert first != second
    assert list(sampler) == first
    assert list(WeightedSampler(manifest, draws=50, seed=1)) != first


def test_ranks_share_the_draws_of_an_epoch(manifest: Path) -> None:
    parts = [WeightedSampler(manifest, draws=7, rank=rank, ranks=2) for rank in (0, 1)]
    whole = list(WeightedSampler(manifest, draws=7))

    assert [len(part) for part in parts] == [4, 4]
    drawn = [list(part) for part in parts]
    assert [row for pair in zip(*drawn, strict=True) for row in pair] == [*whole, whole[0]]
    with pytest.raises(ValueError, match="rank 2 is none of 2 ranks"):
        WeightedSampler(manifest, rank=2, ranks=2)


def test_unknown_weights_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsUnknown):
        WeightedSampler(write_manifest(tmp_path / "unknown", decided(), provenance=provenance(data)).manifest)


# --- rounds -----------------------------------------------------------------------------------------------------------


def test_a_run_visits_each_row_up_to_the_round_that_last_retained_it(data: Path, tmp_path: Path) -> None:
    sampler = ProgressiveSampler(decisions(data, tmp_path), epochs=8)

    visited = [(len(sampler), sorted(sampler)) for _ in range(9)]

    all_rows, third = [0, 1, 2, 3, 4, 5, 7], [1, 2, 3, 4, 7]
    rows = [*[all_rows] * 6, *[third] * 3]
    assert visited == [(len(left), left) for left in rows]


def test_rows_come_in_another_order_in_each_epoch(data: Path, tmp_path: Path) -> None:
    sampler = ProgressiveSampler(decisions(data, tmp_path), epochs=8)

    first, second = list(sampler), list(sampler)

    assert first != second
    assert sorted(first) == sorted(second)


def test_methods_without_rounds_are_refused(data: Path, tmp_path: Path, manifest: Path) -> None:
    with pytest.raises(RoundsUnknown, match="the method el2n"):
        ProgressiveSampler(decisions(data, tmp_path, method="el2n"), epochs=8)
    with pytest.raises(ManifestMismatch, match="other columns"):
        ProgressiveSampler(manifest, epochs=8)
