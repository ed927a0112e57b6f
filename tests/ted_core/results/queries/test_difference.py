"""How two selections from one dataset differ."""

from pathlib import Path

import numpy as np
import pytest

from ted_core.results.manifest import Manifest, read_manifest
from ted_core.results.manifest_writer import write_manifest
from ted_core.results.queries.difference import DifferentDatasets, difference
from tests.ted_core.results.decided import ROWS, decided, provenance


def selection(folder: Path, *kept: int, value: float = 0) -> Manifest:
    """The manifest of a selection of these rows, from a dataset that is filled with the value."""
    folder.mkdir()
    data = folder / "data.npz"
    np.savez(data, x=np.full((ROWS, 1), value, np.float32), y=np.zeros(ROWS, np.int64))
    return read_manifest(write_manifest(folder / "out", decided(kept), provenance=provenance(data)).manifest)


def test_rows_are_counted_that_both_or_only_one_of_them_keeps(tmp_path: Path) -> None:
    found = difference(selection(tmp_path / "a", 0, 1, 2, 5), selection(tmp_path / "b", 1, 2, 4))

    assert (found.kept, found.kept_by_both, found.kept_by_one) == ((4, 3), 2, (2, 1))
    assert found.jaccard == pytest.approx(2 / 5)
    assert found.jaccard_of_random_rows == pytest.approx(1.5 / 5.5)


def test_classes_are_listed_by_how_much_their_shares_change(tmp_path: Path) -> None:
    cats, dogs = (0, 2, 5), (1, 4)

    found = difference(selection(tmp_path / "a", *cats, *dogs), selection(tmp_path / "b", 0, *dogs))

    shifts = {shift.name: (shift.kept, pytest.approx(shift.change)) for shift in found.classes}
    assert shifts == {"cat": ((3, 1), 1 / 3 - 3 / 5), "dog": ((2, 2), 2 / 3 - 2 / 5)}


def test_a_selection_does_not_differ_from_itself(tmp_path: Path) -> None:
    itself = selection(tmp_path / "a", 0, 1)

    found = difference(itself, itself)

    assert (found.jaccard, found.kept_by_one) == (1.0, (0, 0))
    assert all(shift.change == 0 for shift in found.classes)


def test_selections_from_other_data_are_not_compared(tmp_path: Path) -> None:
    with pytest.raises(DifferentDatasets, match="8 rows"):
        difference(selection(tmp_path / "a", 0), selection(tmp_path / "b", 0, value=1))
