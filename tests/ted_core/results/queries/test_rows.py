"""What the files of a selection say about single rows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ted_core.errors import ManifestMismatch
from ted_core.results.manifest_writer import write_manifest
from ted_core.results.queries.rows import NoSuchRow, explain_keys, explain_rows
from ted_core.results.suspects.listing import write_suspects
from tests.ted_core.results.decided import ROWS, decided, provenance

Files = tuple[Path, Path]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Decisions and suspects of a selection in which row 1 alone looks wrong and row 2 was measured by nobody."""
    data = tmp_path / "data.npz"
    np.savez(data, x=np.zeros((ROWS, 1), np.float32), y=np.zeros(ROWS, np.int64))
    margin = np.full(ROWS, 0.5, np.float32)
    margin[1] = -0.5
    found = replace(
        decided(),
        margin=margin,
        suspicion=-margin,
        likeliest=np.zeros(ROWS, np.int32),
        score=np.where(np.arange(ROWS) == 2, np.nan, 0.25).astype(np.float32),
        sample_key=pa.array(["a", "b", "c", "d", "e", "f", "g", "a"]),
    )
    written = write_manifest(tmp_path / "out", found, provenance=provenance(data))
    suspects = write_suspects(tmp_path / "out", found, accuracy=None, metadata=written.metadata)
    return written.decisions, suspects


def test_rows_are_explained_in_the_order_in_which_they_are_named(files: Files) -> None:
    pruned, kept = explain_rows(*files, [4, 1])

    assert (pruned["row_index"], pruned["kept"], pruned["reason"]) == (4, False, "well generalized (redundant)")
    assert (pruned["suspicion"], pruned["likeliest"]) == (None, None)
    assert (kept["row_index"], kept["kept"], kept["label"], kept["last_round"]) == (1, True, "dog", 4)
    assert (kept["margin"], kept["suspicion"], kept["likeliest"]) == (-0.5, 0.5, "cat")


def test_what_was_not_measured_is_none_and_not_nan(files: Files) -> None:
    (facts,) = explain_rows(*files, [2])

    assert facts["score"] is None
    assert facts["inclusion_probability"] is None


def test_a_key_names_every_row_that_has_it(files: Files) -> None:
    assert [facts["row_index"] for facts in explain_keys(*files, ["c", "a"])] == [2, 0, 7]


def test_a_selection_without_a_list_of_suspects_is_explained_without_them(files: Files) -> None:
    (facts,) = explain_rows(files[0], None, [1])

    assert (facts["margin"], facts["suspicion"]) == (-0.5, None)


def test_rows_and_keys_that_there_are_not_are_refused(files: Files) -> None:
    with pytest.raises(NoSuchRow, match="Row 8 is not one of the dataset's 8"):
        explain_rows(*files, [0, 8])
    with pytest.raises(NoSuchRow, match="No row has the sample key 'z'"):
        explain_keys(*files, ["a", "z"])


def test_a_manifest_does_not_pass_for_decisions(files: Files) -> None:
    with pytest.raises(ManifestMismatch, match="other columns"):
        explain_rows(files[0].with_name("manifest.parquet"), None, [0])
