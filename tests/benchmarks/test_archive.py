"""Results that are kept in the repository say what they said before, and can be added to."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from benchmarks.accuracy.cells import RESULTS, Cell
from benchmarks.accuracy.experiments import experiments_in
from benchmarks.archive.packing import pack, unpack
from benchmarks.harness import storage
from benchmarks.harness.result_set import unfinished
from benchmarks.setting import Setting


def cell_of(method: str, seed: int) -> Cell:
    return Cell(Setting("digits", 0.2, seed), 1.0 if method == "full" else 0.3, method, "epochs")


def finish(folder: Path, method: str, seed: int, **facts: Any) -> Path:
    """Write a finished cell with random retained rows."""
    cell, mask = cell_of(method, seed), np.random.default_rng(seed).permutation(100) < (100 if method == "full" else 30)
    row = {name: getattr(cell, name) for name in ("kept", "method", "budget")} | cell.setting.columns
    row |= {"epochs": 12, "rows_train": 100, "accuracy": (80 + seed) / 100, "retained": np.packbits(mask).tobytes()}
    RESULTS.write(cell.file(folder), [row | facts])
    return folder


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for seed in range(3):
        finish(tmp_path / "results", "ted", seed)
        finish(tmp_path / "results", "full", seed)
    storage.note_command("benchmarks.accuracy", tmp_path / "results", ["DATA", "--seeds", "3"], folders={})
    return tmp_path / "results"


def test_packed_results_are_read_like_any_other_and_have_no_masks(results: Path, tmp_path: Path) -> None:
    counts = pack([results], tmp_path / "archive")

    (before,), (after,) = experiments_in([results]), experiments_in([tmp_path / "archive"])
    assert counts == {"accuracy": 6}
    assert after.values("ted", 0.3) == before.values("ted", 0.3) == [0.8, 0.81, 0.82]
    (packed,) = (tmp_path / "archive").rglob("*.parquet")
    assert "retained" not in pyarrow.parquet.read_schema(packed).names
    assert storage.commands_in([tmp_path / "archive"]) == ["python -m benchmarks.accuracy DATA --seeds 3"]


def test_the_agreement_of_retained_rows_outlives_their_masks(results: Path, tmp_path: Path) -> None:
    pack([results], tmp_path / "archive")

    (before,), (after,) = experiments_in([results]), experiments_in([tmp_path / "archive"])

    assert 0 < before.agreement("ted", 0.3) == after.agreement("ted", 0.3) < 1  # type: ignore[operator]
    assert after.agreement("full", 0.3) is None


def test_unpacked_cells_count_as_finished_and_others_can_be_added(results: Path, tmp_path: Path) -> None:
    archive, again = tmp_path / "archive", tmp_path / "again"
    pack([results], archive)

    assert unpack(archive, again) == 6
    assert unfinished([cell_of("ted", seed) for seed in range(4)], again) == [cell_of("ted", 3)]
    pack([finish(again, "ted", 3)], archive)

    (before,), (after,) = experiments_in([results]), experiments_in([archive])
    assert after.values("ted", 0.3) == [0.8, 0.81, 0.82, 0.83]
    assert after.agreement("ted", 0.3) == before.agreement("ted", 0.3)  # nothing is known of seeds 2 and 3


def test_unpacking_leaves_what_a_folder_has(results: Path, tmp_path: Path) -> None:
    pack([results], tmp_path / "archive")
    newer = finish(tmp_path / "newer", "ted", 0, accuracy=0.5)

    assert unpack(tmp_path / "archive", newer) == 5
    (experiment,) = experiments_in([newer])
    assert experiment.values("ted", 0.3) == [0.5, 0.81, 0.82]


def test_of_a_cell_measured_twice_the_last_counts(results: Path, tmp_path: Path) -> None:
    pack([results], tmp_path / "archive")

    counts = pack([finish(tmp_path / "newer", "ted", 1, accuracy=0.5)], tmp_path / "archive")

    (experiment,) = experiments_in([tmp_path / "archive"])
    assert counts == {"accuracy": 6}
    assert experiment.values("ted", 0.3) == [0.8, 0.5, 0.82]


def test_what_fails_while_packing_leaves_the_archive_as_it_was(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack([results], tmp_path / "archive")
    (packed,) = (tmp_path / "archive").rglob("*.parquet")
    before = packed.read_bytes()
    monkeypatch.setattr(pyarrow.parquet, "write_table", lambda *_, **__: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        pack([results], tmp_path / "archive")

    assert packed.read_bytes() == before
    assert [path.name for path in packed.parent.iterdir()] == [packed.name]
