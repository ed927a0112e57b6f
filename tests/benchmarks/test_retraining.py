"""What pruning does to a sample, against sums written out; and the commands that compare scores with it."""

from statistics import mean, stdev

import numpy as np
import pytest

from benchmarks import fidelity, noise
from benchmarks.fidelity import CEILING, RetrainingStudy
from benchmarks.retraining import HALVES, WHOLES, Truth, inclusion, retrain_one_by_one, retrain_together, run_of
from benchmarks.scores import ESTIMATES, SUSPICIONS
from benchmarks.setting import Folders, Setting, load_setting


def quietly(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    folder = tmp_path_factory.mktemp("results")
    return Folders(folder, folder)


def test_the_truth_follows_its_definitions() -> None:
    halves = np.array([[0.1, 0.5], [0.3, 0.7], [0.2, 0.4], [0.8, 0.6]], np.float32)
    inside = np.array([[True, False], [False, True], [False, True], [False, False]])
    wholes = np.array([[0.6, 0.5], [0.8, 0.9]], np.float32)

    truth = Truth.of(halves, inside, wholes)

    assert truth.spread == pytest.approx([stdev([0.1, 0.3, 0.2, 0.8]), stdev([0.5, 0.7, 0.4, 0.6])])
    assert truth.distance == pytest.approx([abs(0.7 - mean([0.3, 0.2, 0.8])), abs(0.7 - mean([0.5, 0.6]))])
    assert truth.own_effect == pytest.approx([0.1 - mean([0.3, 0.2, 0.8]), 0.55 - 0.55], abs=1e-6)


def test_correlations_are_of_ranks() -> None:
    truth = Truth(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0]), np.array([1.0, 3.0, 2.0]))

    correlations = truth.correlations(np.array([0.0, 10.0, 1000.0]))

    assert correlations == pytest.approx({"spread": 1, "distance": -1, "own_effect": 0.5})
    assert truth.agreement(truth) == pytest.approx({"spread": 1, "distance": 1, "own_effect": 1})


def test_each_sample_is_in_one_half_of_every_pair() -> None:
    runs = [run_of(20, use=HALVES, seed=3, number=number) for number in range(6)]

    inside = inclusion(runs, 20)

    assert (inside[::2] ^ inside[1::2]).all()
    assert (inside.sum(1) == 10).all()
    assert len({run.seed for run in runs}) == 6
    assert not np.array_equal(inside[0], inside[2])


def test_models_on_everything_differ_by_their_seed_only() -> None:
    runs = [run_of(20, use=WHOLES, seed=3, number=number) for number in range(2)]

    assert all(np.array_equal(run.rows, np.arange(20)) for run in runs)
    assert runs[0].seed != runs[1].seed


def test_retraining_together_is_retraining_one_by_one(folders: Folders) -> None:
    data = load_setting(Setting("digits", 0.0, 0, epochs=3, rows=200), folders)
    runs = [run_of(200, use=HALVES, seed=0, number=number) for number in range(3)]

    assert retrain_together(data, runs) == pytest.approx(retrain_one_by_one(data, runs), abs=1e-4)


def test_every_score_is_compared_with_the_truth_that_was_retrained(folders: Folders) -> None:
    study = RetrainingStudy(Setting("digits", 0.2, 0, epochs=3, rows=200), models=20)
    for group in study.groups:
        fidelity.retrain_group(group, quietly, folders=folders)

    fidelity.correlate(study, quietly, folders=folders)

    rows = {row["score"]: row for row in fidelity.RESULTS.read([folders.results])}
    assert set(rows) == {*ESTIMATES, CEILING}
    assert all(-1 <= row["spread"] <= 1 for row in rows.values())
    assert rows[CEILING]["spread"] > 0.5
    text = "\n".join(fidelity.section(list(rows.values())))
    assert "digits, 20 % label noise (200 rows, 20 models)" in text
    assert text.count("**") == 2 * 3


def test_flipped_labels_are_found_and_tabled_by_score(folders: Folders) -> None:
    for seed in range(2):
        task = noise.NoiseTask(Setting("digits", 0.2, seed, epochs=6, rows=400))
        noise.measure_scores(task, quietly, folders=folders)

    rows = noise.RESULTS.read([folders.results])

    assert len(rows) == 2 * len(SUSPICIONS)
    assert all(row["auc"] > 0.8 for row in rows if row["score"] == "AUM, negative")
    text = "\n".join(noise.section(rows))
    assert "20 % of the labels flipped" in text
    assert all(f"| {score} |" in text for score in SUSPICIONS)


def test_both_twins_judge_each_sample_together(folders: Folders) -> None:
    data = load_setting(Setting("digits", 0.0, 0, 3, 200), folders)
    everything = np.arange(200)
    first, second = (trainer.performance(data.twins.table, everything) for trainer in data.twins.trainers.values())
    mean_performance = (first + second) / 2

    logit, parameter = ESTIMATES["both twins, probability"](data), ESTIMATES["both twins, parameter"](data)

    assert logit == pytest.approx(mean_performance * (1 - mean_performance), rel=1e-5)
    assert np.corrcoef(parameter, logit)[0, 1] > 0.5
    assert parameter != pytest.approx(logit)
