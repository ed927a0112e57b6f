"""The examples in the docstrings of selecting and of manifests."""

import doctest
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ted_core.results import manifest
from ted_core.results.manifest_writer import write_manifest
from ted_core.selection import execution, prune
from tests.ted_core.results.decided import ROWS, decided, provenance


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a dataset, its manifest, and another dataset."""
    for name, rows in (("data", ROWS), ("other", ROWS + 1)):
        table = pa.table({"x": np.arange(rows, dtype=np.float32), "label": np.arange(rows) % 2})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    write_manifest(tmp_path, decided(), provenance=provenance(tmp_path / "data.parquet"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("module", [execution, manifest, prune])
def test_the_examples_in_docstrings_run(module: ModuleType) -> None:
    outcome = doctest.testmod(module, optionflags=doctest.ELLIPSIS)

    assert outcome.attempted > 0
    assert outcome.failed == 0
