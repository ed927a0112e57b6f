"""Every step does its work at a small size; tables say how steps grow and which bars hold."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness import machine
from benchmarks.harness.result_set import unfinished
from benchmarks.scale import cells
from benchmarks.scale.cells import RESULTS, ScaleCell, measure_steps, run_cell
from benchmarks.scale.metering import metered
from benchmarks.scale.steps import STEPS, Job
from benchmarks.scale.tables import BARS, LARGEST, exponent, section
from ted_core.results.manifest import read_manifest

ROWS, KEPT = 5000, 0.3
GB = 10**9


def test_the_steps_keep_verify_and_cut_as_many_rows_as_they_are_asked_for(tmp_path: Path) -> None:
    job = Job(ROWS, KEPT, tmp_path / "files")

    found = [row for name in STEPS for row in measure_steps(name, job)]

    assert [row["step"] for row in found] == list(BARS)
    assert all(row["wall_seconds"] > 0 and row["peak_bytes"] >= row["before_bytes"] > 0 for row in found)
    kept, cut = (read_manifest(job.folder / name).row_indices for name in ("manifest.parquet", "recut.parquet"))
    assert (len(kept), len(cut)) == (KEPT * ROWS, KEPT * ROWS / 2)
    assert np.isin(cut, kept).all()


def test_a_step_is_charged_for_the_memory_that_it_takes_while_it_runs() -> None:
    measured = metered(lambda: float(np.ones(30_000_000).sum()))

    assert measured.result == 30_000_000
    assert measured.added_bytes > 200_000_000


def rows_of(step: str, **sizes: float) -> list[dict[str, object]]:
    return [
        {"rows": int(rows), "kept": KEPT, "step": step, "wall_seconds": seconds, "processor_seconds": seconds}
        | {"before_bytes": GB, "peak_bytes": 2 * GB}
        for rows, seconds in sizes.items()
    ]


def test_the_exponent_is_one_if_a_hundred_times_the_rows_take_a_hundred_times_as_long() -> None:
    assert exponent(rows_of("draw", **{"1000": 0.1, "100000": 10.0})) == pytest.approx(1)
    assert exponent(rows_of("draw", **{"1000": 0.1, "100000": 1000.0})) == pytest.approx(2)
    assert exponent(rows_of("draw", **{"1000": 0.1})) is None


@pytest.mark.parametrize(("seconds", "says"), [(14.9, "15 s: holds"), (15.1, "15 s: missed")])
def test_the_largest_size_is_compared_with_the_bar(seconds: float, says: str) -> None:
    _, table = section(rows_of("draw", **{"1000000": 0.1, str(LARGEST): seconds}))

    assert says in table.splitlines()[-1]
    assert "holds" not in table.splitlines()[-2]


def test_memory_counts_where_it_has_a_bar() -> None:
    _, within = section(rows_of("re-cut", **{str(LARGEST): 1.0}))
    _, beyond = section([row | {"peak_bytes": 3 * GB} for row in rows_of("re-cut", **{str(LARGEST): 1.0})])

    assert "holds" in within
    assert "missed" in beyond


def test_a_finished_cell_is_not_run_again_and_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = ScaleCell(ROWS, KEPT)

    def measured(_: ScaleCell, folder: Path) -> list[dict[str, object]]:
        folder.mkdir()
        return [row | machine.versions() for row in rows_of("draw", **{str(ROWS): 1.0})]

    monkeypatch.setattr(cells, "measure_cell", measured)
    run_cell(cell, lambda _: None, results=tmp_path)

    assert unfinished([cell], tmp_path) == []
    assert [row["rows"] for row in RESULTS.read([tmp_path])] == [ROWS]
    assert [path.name for path in tmp_path.iterdir()] == ["scale"]
