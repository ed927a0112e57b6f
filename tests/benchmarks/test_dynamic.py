"""Runs that prune while they train visit as many rows as they may, and the rows that TED's scores say."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.dynamic import cells, tables
from benchmarks.dynamic.cells import DynamicCell
from benchmarks.dynamic.methods import RIVALS, TED, Situation, twins
from benchmarks.dynamic.runs import drawn_anew, highest_ranks, measured_epochs, same_rows, train_twins, weighted
from benchmarks.dynamic.schedules import shrinking_counts
from benchmarks.setting import Folders, Setting, SettingData, load_setting
from ted_core.plan import PruningPlan

ROWS, EPOCHS = 400, 12
SETTING = Setting("digits", 0.2, 1, epochs=EPOCHS, rows=ROWS)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> SettingData:
    folder = tmp_path_factory.mktemp("results")
    return load_setting(SETTING, Folders(folder, folder))


@pytest.fixture(scope="module")
def situation(data: SettingData) -> Situation:
    return Situation(data, share=0.7)


# --- how many rows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.3, 0.45, 0.7, 0.9])
def test_epochs_shrink_from_all_rows_and_take_the_visits_that_there_are(share: float) -> None:
    counts = shrinking_counts(1000, share * 12_000, epochs=12)

    assert counts is not None
    assert sum(counts) == pytest.approx(share * 12_000, abs=12)
    assert counts[:2] == [1000, 1000]
    assert counts[-1] >= 300
    assert all(later <= earlier for earlier, later in pairwise(counts))


def test_there_are_as_many_epochs_as_leave_three_tenths_of_the_rows_to_the_last_one() -> None:
    lengths = {share: len(shrinking_counts(1000, share * 12_000, epochs=12) or ()) for share in (0.1, 0.3, 0.5, 0.7)}

    assert lengths == {0.1: 0, 0.3: 5, 0.5: 8, 0.7: 12}


def test_what_epochs_take_beside_training_is_left_for_it() -> None:
    counts = shrinking_counts(1000, 8400, epochs=12, overhead=lambda epochs: 100.0 * epochs)

    assert counts is not None
    assert sum(counts) + 100 * len(counts) == pytest.approx(8400, abs=12)


# --- which rows -------------------------------------------------------------------------------------------------------


def test_the_kept_rows_are_visited_until_there_are_so_many_visits(situation: Situation) -> None:
    passes = list(same_rows(situation.loop, 700))

    assert [len(one.rows) for one in passes] == [280, 280, 140]
    assert set(passes[0].rows) == set(np.flatnonzero(situation.loop.retained))


def test_ranked_rows_leave_for_good_and_the_kept_ones_last(situation: Situation) -> None:
    everything, some, kept, fewer = (set(one.rows) for one in highest_ranks(situation.loop, [400, 350, 280, 200]))

    assert (len(everything), len(some), len(fewer)) == (400, 350, 200)
    assert fewer < kept < some < everything
    assert kept == set(np.flatnonzero(situation.loop.retained))


def test_rows_are_drawn_anew_in_proportion_to_their_scores(situation: Situation) -> None:
    passes = list(drawn_anew(situation.loop, 280, passes=200, seed=3))

    drawn = np.bincount(np.concatenate([one.rows for one in passes]), minlength=ROWS) / 200
    probability = situation.loop.inclusion_probability
    assert probability is not None
    assert all(len(set(one.rows.tolist())) == 280 for one in passes)
    assert (passes[0].rows != passes[1].rows).any()
    for some in (probability < 0.4, (probability >= 0.4) & (probability < 0.7), probability >= 0.7):
        assert drawn[some].mean() == pytest.approx(probability[some].mean(), abs=0.03)


def test_rows_that_were_less_likely_to_be_drawn_weigh_more(situation: Situation) -> None:
    probability = situation.loop.inclusion_probability
    assert probability is not None

    (one,) = weighted(drawn_anew(situation.loop, 280, passes=1, seed=3), situation.loop)

    inverse = 1 / np.maximum(probability[one.rows], 0.1)
    assert one.weights == pytest.approx(inverse / inverse.mean(), rel=1e-4)
    assert one.weights.std() > 0.1


# --- twins ------------------------------------------------------------------------------------------------------------


def test_twins_together_visit_each_retained_row_once_an_epoch(situation: Situation) -> None:
    seen: list[int] = []
    counts = [400, 400, 300, 200]
    plan = PruningPlan(keep_ratio=0.5, seed=1)

    done = train_twins(situation.data.train, situation.proxy, counts, plan=plan, count_rows=seen.append)

    assert sum(seen) == done.visits == sum(counts)
    assert measured_epochs(4) == [2]
    assert 400 <= done.measured <= 400 + 40
    assert len(done.probabilities(situation.data.test)) == 2


def test_twins_fit_into_the_budget_with_their_measuring_if_it_is_counted(situation: Situation) -> None:
    alone, whole = twins(situation, counted=False), twins(situation, counted=True)

    assert alone is not None
    assert whole is not None
    assert alone.visits == pytest.approx(situation.budget, abs=12)
    assert alone.work > 1.1 * situation.budget
    assert whole.work == pytest.approx(situation.budget, rel=0.03)


# --- cells ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows(data: SettingData) -> list[dict[str, Any]]:
    return cells.measure_cell(DynamicCell(SETTING, 0.7), data)


def test_every_method_trains_within_its_budget_in_both_readings(rows: list[dict[str, Any]]) -> None:
    assert [row["method"] for row in rows] == [*RIVALS, *TED, *TED]
    for row in rows[1:]:
        spent = row["work"] if row["counted"] else row["visits"]
        assert spent == pytest.approx(0.7, abs=0.06), row["method"]
        assert 0.4 < row["accuracy"] <= 1
    assert rows[0]["visits"] == 1


def test_what_does_not_fit_has_no_accuracy(data: SettingData) -> None:
    few = cells.measure_cell(DynamicCell(SETTING, 0.25), data)

    assert {row["method"] for row in few if row["accuracy"] is None} == {name for name in TED if name != "ted-twins"}


def test_the_tables_hold_both_readings_and_ted_s_lead(rows: list[dict[str, Any]]) -> None:
    others = [row | {"seed": 2} for row in rows]

    first, accuracies, leads, second, *_ = tables.section(rows + others)

    of_method = {row["method"]: row["accuracy"] for row in rows if not row["counted"]}
    assert (first, second) == ("## Row visits of the judged model alone", "## Row visits of selecting included")
    assert f"{100 * of_method['infobatch']:.1f} ± 0.0" in accuracies
    assert f"| mean, 20 % | 70 % |  | {100 * of_method['full']:.1f} |" in accuracies
    gap = 100 * (of_method["ted"] - of_method["infobatch"])
    assert f"| infobatch | {gap:+.1f}; " in leads


def test_results_are_kept_by_setting_and_share() -> None:
    files = {DynamicCell(SETTING, share).file(Path("results")) for share in (0.7, 0.3)}

    assert len(files) == 2
