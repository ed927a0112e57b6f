"""The examples in docstrings run, and what users begin with carries one."""

import doctest
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ted_client import Client, RetryPolicy
from ted_client.subset import WeightedSampler, retained
from ted_core.datasets import load
from ted_core.datasets.formats.base import Format
from ted_core.datasets.formats.row_format import format_of
from ted_core.plugins import TaskFamily
from ted_core.proxies import ProxyFamily, resolve_proxy
from ted_core.results.manifest import verify
from ted_core.results.manifest_writer import write_manifest
from ted_core.selection.execution import Checkpointer
from ted_core.selection.prune import prune
from tests.ted_core.results.decided import ROWS, decided, provenance

ROOT = Path(__file__).parents[2]
PROBABILITY = np.array([0.5, 0.8, 0.8, 0.4, 0.5, 0.5, 0.5, 0.2], np.float32)
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in ("ted_client", "ted_core", "ted_jobs")
    for path in (ROOT / package).rglob("*.py")
    if ">>> " in path.read_text()
)
BEGINNINGS = (
    *(prune, load, verify, retained, WeightedSampler, resolve_proxy, Client.submit, RetryPolicy),
    *(format_of, Format, ProxyFamily, TaskFamily, Checkpointer),  # what plug-ins and callers of their own write
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a dataset, its manifest, one with weights, and another dataset."""
    for name, rows in (("data", ROWS), ("other", ROWS + 1)):
        table = pa.table({"x": np.arange(rows, dtype=np.float32), "label": np.arange(rows) % 2})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    write_manifest(tmp_path, decided(), provenance=provenance(tmp_path / "data.parquet"))
    drawn = replace(decided(), inclusion_probability=PROBABILITY)
    write_manifest(tmp_path / "drawn", drawn, provenance=provenance(tmp_path / "data.parquet"))
    (tmp_path / "drawn" / "manifest.parquet").rename(tmp_path / "weighted.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("module", MODULES)
def test_the_examples_in_docstrings_run(module: str) -> None:
    outcome = doctest.testmod(import_module(module), optionflags=doctest.ELLIPSIS)

    assert outcome.attempted > 0
    assert outcome.failed == 0


@pytest.mark.parametrize("beginning", BEGINNINGS, ids=lambda beginning: beginning.__qualname__)
def test_what_users_begin_with_carries_an_example(beginning: object) -> None:
    assert ">>> " in (beginning.__doc__ or "")
