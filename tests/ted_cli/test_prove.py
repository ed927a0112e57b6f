"""``ted prove``: fresh models on a manifest's rows, on random and on all rows, in a process of its own."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ted_cli.demo_data import write_digits
from ted_cli.main import app
from tests.ted_core.datasets.manifests import manifest_of


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A manifest of half of the digits, the file that it was made from, and test data."""
    folder = tmp_path_factory.mktemp("digits")
    train, test = write_digits(folder)
    return manifest_of(train, folder / "out", task="image-classification"), train, test


def prove(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["prove", *map(str, arguments)], terminal_width=200)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_models_are_trained_on_the_three_choices_of_rows(data: tuple[Path, Path, Path]) -> None:
    manifest, _, test = data

    evaluation = json.loads(prove(manifest, "--test", test, "--model", "mlp", "--epochs", 3, "--seeds", 2, "--json"))

    rows = [(run["trained_on"], run["seed"], run["rows"]) for run in evaluation["runs"]]
    of_a_seed = {"kept": 674, "random": 674, "all": 1348}
    assert rows == [(name, seed, count) for seed in range(2) for name, count in of_a_seed.items()]
    assert all(0.5 < run["accuracy"] < 1 for run in evaluation["runs"])
    assert evaluation["verdict"] in {"lossless", "worse", "not proven"}
    assert evaluation["to_all"]["low"] < evaluation["to_all"]["mean"] < evaluation["to_all"]["high"]


def test_the_table_is_followed_by_what_it_proves(data: tuple[Path, Path, Path]) -> None:
    manifest, _, test = data

    shown = prove(manifest, "--test", test, "--model", "mlp", "--epochs", 2, "--seeds", 1)

    assert "random rows" in shown
    assert "points, of one pair" in shown
    assert "not proven" in shown


def test_data_that_have_changed_since_are_refused(data: tuple[Path, Path, Path]) -> None:
    manifest, _, test = data

    result = CliRunner().invoke(app, ["prove", str(manifest), "--test", str(test), "--dataset", str(test)])

    assert result.exit_code == 1
    assert "rows and" in str(result.exception)


def test_epochs_belong_to_a_model(data: tuple[Path, Path, Path]) -> None:
    manifest, _, test = data

    result = CliRunner().invoke(app, ["prove", str(manifest), "--test", str(test), "--epochs", "3"])

    assert result.exit_code == 2
