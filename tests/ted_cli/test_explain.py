"""``ted explain`` and ``ted diff``, of a job and of the folder of a local run."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ted_cli.main import app
from ted_core.results.manifest_writer import write_manifest
from tests.ted_cli.test_suspects import Ted, client, succeeded, ted
from tests.ted_core.results.decided import KEPT, ROWS, decided, provenance

__all__ = ["client", "succeeded", "ted"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a local run, without a list of suspects."""
    data = tmp_path / "data.npz"
    np.savez(data, x=np.zeros((ROWS, 1), np.float32), y=np.zeros(ROWS, np.int64))
    for name, kept in (("first", KEPT), ("second", KEPT[1:])):
        write_manifest(tmp_path / name, decided(kept), provenance=provenance(data))
    return tmp_path


def here(*arguments: object, status: int = 0) -> str:
    """What a command prints that asks no service."""
    done = CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "200"})
    assert done.exit_code == status, done.output
    return done.output


def test_rows_of_a_job_are_explained(ted: Ted, succeeded: Callable[..., str]) -> None:
    printed = " ".join(ted("explain", succeeded(), "0", "1").split())

    assert "row 0 (row-0) was pruned: well generalized (redundant) class cat" in printed
    assert "label looks wrong (suspicion 1), looks like dog left in round 5" in printed
    assert "row 1 (row-1) was kept class dog" in printed
    assert "retained to the end" in printed


def test_rows_of_a_local_run_are_explained_by_number_or_key(folder: Path) -> None:
    (by_number,) = map(json.loads, here("explain", folder / "first", 4, "--json").splitlines())
    (by_key,) = map(json.loads, here("explain", folder / "first", "row-4", "--keys", "--json").splitlines())

    assert by_number == by_key
    assert (by_number["kept"], by_number["label"], by_number["suspicion"]) == (False, "dog", None)


def test_a_word_is_no_row_s_number(folder: Path) -> None:
    assert "--keys" in here("explain", folder / "first", "row-4", status=2)


def test_two_selections_are_compared(folder: Path) -> None:
    printed = " ".join(here("diff", folder / "first", folder / "second" / "manifest.parquet").split())
    facts = json.loads(here("diff", folder / "first", folder / "second", "--json"))

    assert "A keeps 4 of 8, 1 of them alone" in printed
    assert "B keeps 3 of 8, 0 of them alone" in printed
    assert "Jaccard 0.750" in printed
    assert "cat 2 (66.7%) 2 (100.0%) +33.3 points" in printed
    assert (facts["kept"], facts["kept_by_one"], facts["jaccard"]) == ([4, 3], [1, 0], 0.75)


def test_a_folder_without_results_is_not_taken_for_a_job(folder: Path) -> None:
    done = CliRunner().invoke(app, ["diff", str(folder), str(folder)])

    assert done.exit_code == 1
    assert "There is no manifest.parquet at" in str(done.exception)
