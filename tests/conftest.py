"""What every test stands on: shapes checked as types, two threads for torch, the real data where it lies."""

import os
import sys
from pathlib import Path

import pytest
from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

beartyped = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""Checks annotations as they are meant in Python: an int is welcome where a float is."""
install_import_hook("ted_core", "tests.conftest.beartyped")  # before anything imports ted_core

DATA_DIR = Path(__file__).parents[2] / "shared" / "data"
THREADS = 2


@pytest.fixture(scope="session", autouse=True)
def two_threads() -> None:
    """Two threads for torch, where a collected test has imported it; a test that does without torch loads none."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(THREADS)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the real data sets: TED_DATA_DIR, else shared/data beside the project."""
    folder = Path(os.environ.get("TED_DATA_DIR", DATA_DIR))
    if not folder.is_dir():
        pytest.skip(f"no real data sets at {folder}; set TED_DATA_DIR to where they lie")
    return folder
