"""The document says what the numbers say, the losses as plainly as the wins."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.accuracy.cells import RESULTS, Cell
from benchmarks.accuracy.experiments import Experiment, experiments_in
from benchmarks.accuracy.overview import on_average, on_every_dataset
from benchmarks.accuracy.selection_work import work_of_methods
from benchmarks.accuracy.summary import losses, summary
from benchmarks.accuracy.tables import accuracies, conclusions, details, differing_baselines, section
from benchmarks.harness import storage
from benchmarks.harness.markdown import signed
from benchmarks.results import document
from benchmarks.setting import Setting

ACCURACIES = {
    "full": [0.900, 0.902, 0.901],
    "random": [0.880, 0.885, 0.882],
    "el2n": [0.910, 0.911, 0.912],
    "ted": [0.899, 0.901, 0.900],
}
"""Method → accuracy with seeds 0, 1, 2."""


def row(method: str, seed: int, accuracy: float, **facts: object) -> dict[str, Any]:
    """A finished cell of digits at 30 % kept."""
    mask = np.random.default_rng(seed).permutation(100) < (100 if method == "full" else 30)
    cell = {"dataset": "digits", "noise": 0.2, "kept": 1.0 if method == "full" else 0.3, "method": method, "seed": seed}
    cell |= {"budget": "epochs", "epochs": 12, "rows_train": 100, "accuracy": accuracy, "worst_class_accuracy": 0.5}
    cell |= {"rows_trained_selecting": 300, "rows_measured_selecting": 900, "flipped_kept": 0.1}
    cell |= {"retained": np.packbits(mask).tobytes(), "hardware": "x86_64, 2 cores", "torch": "2.13.0", "threads": 1}
    return cell | facts


def rows(accuracies: Mapping[str, Sequence[float]], **facts: object) -> list[dict[str, Any]]:
    return [
        row(method, seed, value, **facts) for method, values in accuracies.items() for seed, value in enumerate(values)
    ]


def write_results(folder: Path, rows: Sequence[dict[str, Any]]) -> Path:
    for row in rows:
        cell = Cell(Setting(row["dataset"], row["noise"], row["seed"]), row["kept"], row["method"], row["budget"])
        RESULTS.write(cell.file(folder), [row])
    return folder


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    (only,) = experiments_in([write_results(tmp_path, rows(ACCURACIES))])
    return only


def line(text: str, name: str) -> list[str]:
    """The cells of the table's row with this name."""
    (row_text,) = [text_line for text_line in text.splitlines() if text_line.startswith(f"| {name} |")]
    return [cell.strip() for cell in row_text.strip("|").split("|")][1:]


def test_accuracies_are_means_and_deviations_in_percent_and_the_best_is_bold(experiment: Experiment) -> None:
    text = accuracies(experiment, ["full", "random", "el2n", "ted"])

    assert line(text, "random") == ["88.2 ± 0.3"]
    assert line(text, "el2n") == ["**91.1 ± 0.1**"]
    assert line(text, "full") == ["90.1 ± 0.1"]


def test_full_data_are_never_marked_as_the_best(experiment: Experiment) -> None:
    text = accuracies(experiment, ["full", "random"])

    assert line(text, "random") == ["**88.2 ± 0.3**"]


def test_conclusions_follow_from_paired_intervals(experiment: Experiment) -> None:
    text = conclusions(experiment)

    assert line(text, "over full data") == ["-0.10 [-0.1, -0.1]"]
    assert line(text, "lossless (above -0.3)") == ["yes"]
    assert line(text, "over random")[0].endswith(" better")
    assert line(text, "over the best rival") == ["-1.10 [-1.3, -0.9] el2n"]  # 0.1 · 4.3027 / √3 = 0.25 to either side
    assert line(text, "**worse than**") == ["el2n"]
    assert line(text, "better than") == ["random"]
    assert line(text, "over stratified") == ["-"]


def test_the_summary_counts_cells_and_names_where_ted_is_farthest_behind(experiment: Experiment) -> None:
    text = "\n".join(summary([experiment]))

    assert line(text, "el2n") == ["1", "0", "**1**", "-1.10", "digits 20 % noise 30 %: -1.10"]
    assert line(text, "random")[:4] == ["1", "1", "**0**", "+1.77"]
    assert "ccs" not in text


def test_losses_name_the_cells_and_the_methods(experiment: Experiment) -> None:
    everything, elsewhere, random, others = losses([experiment])

    assert "in 0 of 1 cells: none. In 0 others" in everything
    assert elsewhere.endswith("in 0 of these cells: none.")
    assert "end above TED's in 0 of 1 comparisons" in random
    assert "end above TED with the whole interval in 1 of 1 comparisons" in others
    assert others.endswith("digits 20 % noise 30 %: el2n -1.10.")


def test_where_ted_is_not_lossless_the_methods_that_are_get_named(tmp_path: Path) -> None:
    cells = rows(ACCURACIES | {"ted": [0.895, 0.894, 0.896]})

    (experiment,) = experiments_in([write_results(tmp_path, cells)])
    everything, elsewhere, *_ = losses([experiment])

    assert "in 1 of 1 cells: digits 20 % noise 30 % -0.60. In 0 others" in everything
    assert elsewhere.endswith("in 1 of these cells: digits 20 % noise 30 % (el2n).")


def test_a_mean_below_random_rows_is_a_loss_even_inside_its_interval(tmp_path: Path) -> None:
    cells = rows(ACCURACIES | {"random": [0.890, 0.920, 0.900]})

    (experiment,) = experiments_in([write_results(tmp_path, cells)])
    _, _, random, _ = losses([experiment])

    assert "end above TED's in 1 of 1 comparisons, with the whole interval in 0" in random
    assert random.endswith("digits 20 % noise 30 %: random -0.33.")


def test_the_overview_gives_the_distance_from_all_rows_and_marks_what_is_lossless(experiment: Experiment) -> None:
    text = on_every_dataset([experiment])

    head = text.splitlines()[0]
    assert head.endswith("| 30 %: TED | 30 %: random |")
    assert line(text, "digits, 20 % wrong") == ["100", "3", "90.1 ± 0.1", "-", "-", "-", "-", "**-0.1**", "-1.9"]


@pytest.mark.parametrize(("value", "text"), [(0.04, "0.0"), (-0.04, "0.0"), (-0.06, "-0.1"), (1.25, "+1.2")])
def test_a_difference_that_rounds_to_zero_has_no_sign(value: float, text: str) -> None:
    assert signed(value) == text


def test_the_overview_on_average_counts_lossless_datasets_and_names_the_lowest(tmp_path: Path) -> None:
    other = rows({"full": [0.5, 0.5], "ted": [0.45, 0.45], "random": [0.5, 0.5]}, dataset="letter")

    text = on_average(experiments_in([write_results(tmp_path, [*rows(ACCURACIES), *other])]))

    assert line(text, "20 % wrong labels, 30 % kept") == [
        *["-2.5", "-5.0 (letter)", "1 of 2"],
        *["-0.9", "-1.9 (digits)", "1 of 2"],
    ]
    assert line(text, "20 % wrong labels, 70 % kept") == ["-"] * 6


def test_a_missing_seed_is_shown_and_leaves_the_other_pairs(tmp_path: Path) -> None:
    cells = [cell for cell in rows(ACCURACIES) if (cell["method"], cell["seed"]) != ("random", 2)]

    (experiment,) = experiments_in([write_results(tmp_path, cells)])

    interval = experiment.between("ted", "random", 0.3)
    assert interval is not None
    assert interval.pairs == 2
    assert line(accuracies(experiment, ["random"]), "random") == ["**88.2 ± 0.4 (2)**"]


def test_a_cell_in_two_folders_comes_from_the_last(tmp_path: Path) -> None:
    old = write_results(tmp_path / "old", rows(ACCURACIES))
    new = write_results(tmp_path / "new", [row("ted", 0, 0.5)])

    (experiment,) = experiments_in([old, new])

    assert experiment.values("ted", 0.3) == [0.5, 0.901, 0.900]


def test_agreement_is_the_jaccard_index_of_neighbouring_seeds(experiment: Experiment) -> None:
    masks = [np.random.default_rng(seed).permutation(100) < 30 for seed in range(3)]

    agreement = experiment.agreement("ted", 0.3)

    sets = [set(np.flatnonzero(mask).tolist()) for mask in masks]
    expected = [len(sets[i] & sets[i + 1]) / len(sets[i] | sets[i + 1]) for i in range(2)]
    assert agreement == pytest.approx(sum(expected) / 2)
    assert experiment.agreement("full", 0.3) is None
    assert line(details(experiment), "ted") == [f"50.0 / {agreement:.2f} / 10.0"]


def test_work_is_given_in_full_training_runs_and_measuring_counts_a_third(experiment: Experiment) -> None:
    text = work_of_methods([experiment])

    assert line(text, "ted") == ["-", "-", "0.50"]  # (300 + 900 / 3) / (12 · 100)
    assert "full" not in text


def test_runs_of_another_precision_are_another_experiment(tmp_path: Path) -> None:
    exact = write_results(tmp_path / "exact", rows(ACCURACIES))
    rounded = write_results(tmp_path / "rounded", rows({"ted": [0.7], "random": [0.6]}, precision="bfloat16"))

    first, second = experiments_in([exact, rounded])

    assert (first.precision, second.precision) == (None, "bfloat16")
    assert second.values("ted", 0.3) == [0.7]
    assert "12 epochs in bfloat16" in next(section(second))


def test_full_data_stand_beside_every_budget(tmp_path: Path) -> None:
    cells = [*rows({"full": ACCURACIES["full"]}), *rows({"ted": ACCURACIES["ted"]}, budget="steps")]

    (experiment,) = experiments_in([write_results(tmp_path, cells)])

    assert experiment.budget == "steps"
    assert experiment.between("ted", "full", 0.3) is not None


def test_a_missing_accuracy_is_left_out(tmp_path: Path) -> None:
    without_accuracy = [row("el2n", seed, None, budget="work") for seed in range(3)]  # type: ignore[arg-type]

    (experiment,) = experiments_in(
        [write_results(tmp_path, [*without_accuracy, *rows({"ted": ACCURACIES["ted"]}, budget="work")])]
    )

    assert line(accuracies(experiment, ["el2n", "ted"]), "el2n") == ["-"]
    assert differing_baselines(experiment, 0.3, "better") == []
    assert all(section(experiment))


def test_the_document_says_what_it_was_made_with(tmp_path: Path) -> None:
    folder = write_results(tmp_path, rows(ACCURACIES))
    names = {"/somewhere/data": "DATA", str(folder): "DIR"}
    storage.note_command("benchmarks.accuracy", folder, ["/somewhere/data", "--results", str(folder)], folders=names)

    text = document([folder])

    assert "x86_64, 2 cores; torch 2.13.0; 1 thread per process; up to 3 seeds." in text
    assert "python -m benchmarks.accuracy DATA --results DIR\n" in text
    assert "/somewhere" not in text
    assert "### digits, 20 % label noise (100 rows, `mlp`, 12 epochs, equal epochs)" in text
    assert text.index("## What one gains and loses") < text.index("## Where TED loses") < text.index("## Every dataset")
    assert text.endswith("\n")
