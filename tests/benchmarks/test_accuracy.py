"""The accuracy run: which rows each method gets, and that a stopped run goes on where it was."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy.cells import Cell, Grid, grouped, results_in, unfinished
from benchmarks.accuracy.methods import METHODS, Selection, fresh_random_rows, pass_after_pass
from benchmarks.accuracy.rivals import RIVALS
from benchmarks.accuracy.running import BUDGETS, finish
from benchmarks.ground import Folders, Ground, Setting, ground_of
from ted_core.plan import PruningPlan
from ted_core.selection.prune import prune

ROOT = Path(__file__).parents[2]
KEPT = 0.4


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder = tmp_path_factory.mktemp("results")
    return ground_of(Setting("digits", 0.2, 1, epochs=12, rows=500), Folders(folder, folder))


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path, tmp_path)


def grid(*methods: str, **choices: object) -> Grid:
    axes = {"datasets": ["digits"], "noise": [0.2], "kept": [KEPT], "seeds": range(2), "epochs": 3, "rows": 300}
    return Grid(methods=methods, **(axes | choices))  # type: ignore[arg-type]


def finish_all(cells: list[Cell], folders: Folders) -> list[str]:
    said: list[str] = []
    for group in grouped(unfinished(cells, folders.results)):
        finish(group, said.append, folders=folders)
    return said


@pytest.mark.parametrize("rival", RIVALS)
def test_a_rival_gets_the_rows_that_its_own_run_would_give_it(rival: str, ground: Ground) -> None:
    shared = RIVALS[rival](ground, KEPT)

    plan = PruningPlan(method=rival, keep_ratio=KEPT, seed=ground.seed)  # type: ignore[arg-type]
    *_, alone = prune(ground.train, plan, proxy=ground.proxy)
    assert np.array_equal(shared.retained, alone.retained)
    assert shared.rows_trained == alone.samples_trained
    assert shared.rows_measured == alone.samples_measured
    assert shared.seconds > 0


@pytest.mark.parametrize("name", ["random", "stratified", "ted-q2", "ted-reversed"])
def test_a_method_that_selects_retains_the_share_that_is_kept(name: str, ground: Ground) -> None:
    selection = METHODS[name].select(ground, KEPT)

    assert selection.retained.sum() == 200


def test_reversed_scores_retain_what_the_score_likes_least(ground: Ground) -> None:
    best, worst = (METHODS[name].select(ground, KEPT) for name in ("ted-q1", "ted-reversed"))

    *_, final = prune(ground.train, PruningPlan(keep_ratio=KEPT, q=1.0, seed=ground.seed), proxy=ground.proxy)
    assert final.score[worst.retained].max() <= final.score[~worst.retained].min()
    assert final.score[worst.retained].mean() < final.score[best.retained].mean()


@pytest.mark.parametrize(("rows", "epochs"), [(200, 6), (500, 2), (150, 1), (333, 7)])
def test_full_data_with_a_shorter_schedule_visits_all_rows_alike(rows: int, epochs: int, ground: Ground) -> None:
    everything = METHODS["full-short"].select(ground, KEPT)

    fed = pass_after_pass(ground, everything, rows, epochs)

    visits = np.bincount(np.concatenate(fed), minlength=500)
    assert [len(one) for one in fed] == [rows] * epochs
    assert visits.max() - visits.min() <= 1


def test_dynamic_random_rows_are_others_in_each_epoch(ground: Ground) -> None:
    fed = fresh_random_rows(ground, Selection(np.ones(500, bool)), 200, 3)

    assert [len(set(one.tolist())) for one in fed] == [200] * 3
    assert not set(fed[0]) == set(fed[1]) == set(fed[2])


def test_budgets_are_worked_out_from_row_visits() -> None:
    found = {name: budget(12, 1000, 300, 6000) for name, budget in BUDGETS.items()}

    assert found == {"epochs": 12, "steps": 40, "work": 20}
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
        for choices in ({}, {"noise": [0]}, {"kept": [0.5]}, {"epochs": 4}, {"rows": 200}, {"budget": "steps"})
        for cell in grid("random", **choices).cells()
        if cell.method == "random"
    }

    assert len(names) == 6 * 2


def test_finished_cells_hold_what_was_measured(folders: Folders) -> None:
    cells = grid("random", "ted-q1", "dynamic-random").cells()

    said = finish_all(cells, folders)

    rows = {(row["method"], row["seed"]): row for row in results_in([folders.results])}
    assert len(said) == len(rows) == 8
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
    first = [row["accuracy"] for row in results_in([folders.results])]

    for cell in cells:
        cell.file(folders.results).unlink()
    finish_all(cells, folders)

    assert [row["accuracy"] for row in results_in([folders.results])] == first


def test_work_that_leaves_nothing_to_train_with_is_told_as_such(folders: Folders) -> None:
    cells = grid("el2n", seeds=[0], budget="work").cells()

    finish_all(cells, folders)

    (row,) = [row for row in results_in([folders.results]) if row["method"] == "el2n"]
    assert (row["accuracy"], row["epochs_trained"]) == (None, 0)


def test_a_cell_that_fails_is_told_and_the_others_are_finished(folders: Folders) -> None:
    cells = grid("random", "ted-q1", seeds=[0], kept=[0.01, KEPT]).cells()  # 3 rows of 10 classes cannot be kept

    said = finish_all(cells, folders)

    assert {cell.kept for cell in unfinished(cells, folders.results)} == {0.01}
    assert sum("TooFewRowsKept" in line for line in said) == 2


def test_a_run_that_was_stopped_does_only_the_rest(folders: Folders) -> None:
    cells = grid("random", "stratified", "ted-q1").cells()

    with pytest.raises(KeyboardInterrupt):
        finish(next(grouped(cells)), interrupting_after(2), folders=folders)
    before = finished(cells, folders)
    said = finish_all(cells, folders)

    assert len(before) == 2
    assert len(said) == len(cells) - 2
    assert before.items() <= finished(cells, folders).items()
    assert unfinished(cells, folders.results) == []


def interrupting_after(cells: int) -> "Say":
    return Say(iter(range(cells - 1)))


class Say:
    def __init__(self, patience: Iterator[int]) -> None:
        self.patience = patience

    def __call__(self, _: str) -> None:
        if next(self.patience, None) is None:
            raise KeyboardInterrupt


def finished(cells: list[Cell], folders: Folders) -> dict[Path, int]:
    """The files of finished cells, with the time at which each was written."""
    files = (cell.file(folders.results) for cell in cells)
    return {file: file.stat().st_mtime_ns for file in files if file.exists()}


def test_a_command_that_was_killed_leaves_whole_files_and_goes_on_from_them(folders: Folders) -> None:
    cells = grid("random", "ted-q1", seeds=range(40)).cells()
    asked = "--datasets digits --noise 0.2 --kept 0.4 --methods random ted-q1 --seeds 40 --epochs 3 --rows 300 --jobs 1"
    command = [sys.executable, "-m", "benchmarks.accuracy", ROOT, "--results", folders.results, *asked.split()]

    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and len(finished(cells, folders)) < 2:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = finished(cells, folders)

    assert 2 <= len(before) < len(cells)
    assert len(results_in([folders.results])) == len(before)
    group = next(grouped(unfinished(cells, folders.results)))
    finish(group, lambda _: None, folders=folders)
    assert before.items() <= finished(cells, folders).items()
    assert len(finished(cells, folders)) == len(before) + len(group)
    assert "DATA --results DIR --datasets digits" in (folders.results / "commands.txt").read_text()
