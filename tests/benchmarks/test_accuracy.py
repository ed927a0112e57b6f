"""The accuracy run: which rows each method gets, and that a stopped run resumes where it was."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy.baselines import BASELINES, RIVALS
from benchmarks.accuracy.cells import RESULTS, Cell, Grid, group_by_setting
from benchmarks.accuracy.methods import METHODS, Selection, fresh_random_rows, pass_after_pass, weighted_rows
from benchmarks.accuracy.running import BUDGETS, run_cells
from benchmarks.fresh_models import TrainingPass, WeightedRun
from benchmarks.harness.result_set import unfinished
from benchmarks.setting import Folders, Setting, SettingData, load_setting
from ted_core.plan import PruningPlan
from ted_core.selection.prune import prune

ROOT = Path(__file__).parents[2]
KEPT = 0.4


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> SettingData:
    folder = tmp_path_factory.mktemp("results")
    return load_setting(Setting("digits", 0.2, 1, epochs=12, rows=500), Folders(folder, folder))


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path, tmp_path)


def grid(*methods: str, **choices: object) -> Grid:
    axes = {"datasets": ["digits"], "noise": [0.2], "kept": [KEPT], "seeds": range(2), "epochs": 3, "rows": 300}
    return Grid(methods=methods, **(axes | choices))  # type: ignore[arg-type]


def finish_all(cells: list[Cell], folders: Folders) -> list[str]:
    lines: list[str] = []
    for group in group_by_setting(unfinished(cells, folders.results)):
        run_cells(group, lines.append, folders=folders)
    return lines


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_baseline_gets_the_rows_that_its_own_run_would_give_it(baseline: str, data: SettingData) -> None:
    shared = BASELINES[baseline](data, KEPT)

    plan = PruningPlan(method=baseline, keep_ratio=KEPT, seed=data.seed)  # type: ignore[arg-type]
    *_, alone = prune(data.train, plan, proxy=data.proxy)
    assert np.array_equal(shared.retained, alone.retained)
    assert shared.rows_trained == alone.samples_trained
    assert shared.rows_measured == alone.samples_measured
    assert shared.seconds > 0


@pytest.mark.parametrize("name", [*RIVALS, "random", "stratified", "ted-q2", "ted-weighted", "ted-reversed"])
def test_a_method_that_selects_retains_the_share_that_is_kept(name: str, data: SettingData) -> None:
    selection = METHODS[name].select(data, KEPT)

    assert selection.retained.sum() == 200


def test_reversed_scores_retain_the_rows_with_the_lowest_scores(data: SettingData) -> None:
    best, worst = (METHODS[name].select(data, KEPT) for name in ("ted-q1", "ted-reversed"))

    *_, final = prune(data.train, PruningPlan(keep_ratio=KEPT, q=1.0, seed=data.seed), proxy=data.proxy)
    assert final.score[worst.retained].max() <= final.score[~worst.retained].min()
    assert final.score[worst.retained].mean() < final.score[best.retained].mean()


@pytest.mark.parametrize(("rows", "epochs"), [(200, 6), (500, 2), (150, 1), (333, 7)])
def test_full_data_with_a_shorter_schedule_visits_all_rows_alike(rows: int, epochs: int, data: SettingData) -> None:
    everything = METHODS["full-short"].select(data, KEPT)

    epoch_rows = pass_after_pass(data, everything, rows, epochs)

    visits = np.bincount(np.concatenate(epoch_rows), minlength=500)
    assert [len(rows_of_epoch) for rows_of_epoch in epoch_rows] == [rows] * epochs
    assert visits.max() - visits.min() <= 1


def test_dynamic_random_rows_are_others_in_each_epoch(data: SettingData) -> None:
    epoch_rows = fresh_random_rows(data, Selection(np.ones(500, bool)), 200, 3)

    assert [len(set(rows.tolist())) for rows in epoch_rows] == [200] * 3
    assert not set(epoch_rows[0]) == set(epoch_rows[1]) == set(epoch_rows[2])


def test_the_rows_of_lowest_aum_are_pruned_first(data: SettingData) -> None:
    selection = METHODS["aum"].select(data, KEPT)

    margin = data.trajectory.value.margin
    assert margin[selection.retained].min() >= margin[~selection.retained].max()
    assert selection.rows_trained == selection.rows_measured == 12 * 500


def test_tdds_is_charged_for_the_epochs_that_it_watches(data: SettingData) -> None:
    selection = METHODS["tdds"].select(data, KEPT)

    assert selection.rows_trained == selection.rows_measured == 6 * 500
    assert selection.seconds == pytest.approx(data.trajectory.seconds / 2)


def test_weighted_training_uses_the_rows_and_weights_of_teds_manifest(data: SettingData) -> None:
    plain, weighted = (METHODS[name].select(data, KEPT) for name in ("ted", "ted-weighted"))

    *_, final = prune(data.train, PruningPlan(keep_ratio=KEPT, seed=data.seed), proxy=data.proxy)
    one = weighted_rows(data, weighted, 200, 12)(np.zeros(500, np.float32), 0)
    assert np.array_equal(plain.retained, weighted.retained)
    assert np.array_equal(one.rows, np.flatnonzero(final.retained))
    assert final.inclusion_probability is not None
    inverse = 1 / np.maximum(final.inclusion_probability[final.retained], 0.1)
    assert one.weights == pytest.approx(inverse / inverse.mean(), rel=1e-5)
    assert one.weights.std() > 0.1


@pytest.mark.parametrize("name", ["infobatch", "ted-weighted"])
def test_training_with_weights_visits_as_many_rows_as_any_other(
    name: str, data: SettingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    visited, train_pass = [], WeightedRun.train_pass

    def count(run: WeightedRun, one: TrainingPass) -> None:
        visited.append(len(one.rows))
        train_pass(run, one)

    monkeypatch.setattr(WeightedRun, "train_pass", count)
    METHODS[name].train(data, METHODS[name].select(data, KEPT), 200, 12)

    assert sum(visited) == 200 * 12


def test_budgets_are_worked_out_from_row_visits() -> None:
    epochs = {name: budget(12, 1000, 300, 6000) for name, budget in BUDGETS.items()}

    assert epochs == {"epochs": 12, "steps": 40, "work": 20}
    assert BUDGETS["work"](12, 1000, 300, 20_000) == 0


def test_full_data_are_trained_once_for_all_keep_ratios_and_budgets() -> None:
    cells = grid("full", "random", kept=[0.7, 0.3], budget="steps").cells()

    assert len(cells) == 2 * (1 + 2)
    assert [cell.method for cell in cells[:3]] == ["full", "random", "random"]
    assert cells[0].full == cells[0] == cells[1].full
    assert len({cell.name for cell in cells}) == len(cells)


def test_everything_that_numbers_depend_on_is_part_of_a_cells_name() -> None:
    names = {
        cell.name
        for choices in (
            {},
            {"noise": [0]},
            {"kept": [0.5]},
            {"epochs": 4},
            {"rows": 200},
            {"budget": "steps"},
            {"precision": "bfloat16"},
        )
        for cell in grid("random", **choices).cells()
        if cell.method == "random"
    }

    assert len(names) == 7 * 2


def test_finished_cells_hold_what_was_measured(folders: Folders) -> None:
    cells = grid("random", "ted-q1", "dynamic-random").cells()

    lines = finish_all(cells, folders)

    rows = {(row["method"], row["seed"]): row for row in RESULTS.read([folders.results])}
    assert len(lines) == len(rows) == 8
    full, ted = rows["full", 0], rows["ted-q1", 0]
    assert ted["accuracy"] > 0.2
    assert ted["rows_kept"] == 120
    assert np.unpackbits(np.frombuffer(ted["retained"], np.uint8), count=300).sum() == 120
    assert ted["cost_of_one_full_run"] == pytest.approx(ted["seconds_selecting"] / full["seconds_training"])
    assert 0.5 < ted["flipped_auc"] <= 1
    assert rows["random", 0]["flipped_auc"] is None
    assert full["flipped_kept"] == pytest.approx(0.2)
    assert (ted["epochs"], ted["epochs_trained"], ted["threads"]) == (3, 3, 1)
    assert rows["random", 0]["retained"] != rows["random", 1]["retained"]


def test_the_same_cell_measured_again_gives_the_same_accuracy(folders: Folders) -> None:
    cells = grid("ted-q1", seeds=[1]).cells()
    finish_all(cells, folders)
    first = [row["accuracy"] for row in RESULTS.read([folders.results])]

    for cell in cells:
        cell.file(folders.results).unlink()
    finish_all(cells, folders)

    assert [row["accuracy"] for row in RESULTS.read([folders.results])] == first


def test_a_budget_that_leaves_nothing_to_train_with_gives_no_accuracy(folders: Folders) -> None:
    cells = grid("el2n", seeds=[0], budget="work").cells()

    finish_all(cells, folders)

    (row,) = [row for row in RESULTS.read([folders.results]) if row["method"] == "el2n"]
    assert (row["accuracy"], row["epochs_trained"]) == (None, 0)


def test_a_cell_that_fails_is_reported_and_the_others_are_finished(folders: Folders) -> None:
    cells = grid("random", "ted-q1", seeds=[0], kept=[0.01, KEPT]).cells()  # 3 rows of 10 classes cannot be kept

    lines = finish_all(cells, folders)

    assert {cell.kept for cell in unfinished(cells, folders.results)} == {0.01}
    assert sum("TooFewRowsKept" in line for line in lines) == 2


def test_a_run_that_was_stopped_does_only_the_rest(folders: Folders) -> None:
    cells = grid("random", "stratified", "ted-q1").cells()

    with pytest.raises(KeyboardInterrupt):
        run_cells(next(group_by_setting(cells)), interrupting_after(2), folders=folders)
    before = finished_files(cells, folders)
    lines = finish_all(cells, folders)

    assert len(before) == 2
    assert len(lines) == len(cells) - 2
    assert before.items() <= finished_files(cells, folders).items()
    assert unfinished(cells, folders.results) == []


def interrupting_after(cells: int) -> "InterruptingSay":
    return InterruptingSay(iter(range(cells - 1)))


class InterruptingSay:
    def __init__(self, remaining: Iterator[int]) -> None:
        self.remaining = remaining

    def __call__(self, _: str) -> None:
        if next(self.remaining, None) is None:
            raise KeyboardInterrupt


def finished_files(cells: list[Cell], folders: Folders) -> dict[Path, int]:
    """The files of finished cells, with the time at which each was written."""
    files = (cell.file(folders.results) for cell in cells)
    return {file: file.stat().st_mtime_ns for file in files if file.exists()}


def test_a_command_that_was_killed_leaves_whole_files_and_goes_on_from_them(folders: Folders) -> None:
    cells = grid("random", "ted-q1", seeds=range(40)).cells()
    options = (
        "--datasets digits --noise 0.2 --kept 0.4 --methods random ted-q1 --seeds 40 --epochs 3 --rows 300 --jobs 1"
    )
    command = [sys.executable, "-m", "benchmarks.accuracy", ROOT, "--results", folders.results, *options.split()]

    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and len(finished_files(cells, folders)) < 2:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = finished_files(cells, folders)

    assert 2 <= len(before) < len(cells)
    assert len(RESULTS.read([folders.results])) == len(before)
    group = next(group_by_setting(unfinished(cells, folders.results)))
    run_cells(group, lambda _: None, folders=folders)
    assert before.items() <= finished_files(cells, folders).items()
    assert len(finished_files(cells, folders)) == len(before) + len(group)
    assert "DATA --results DIR --datasets digits" in (folders.results / "commands.txt").read_text()
