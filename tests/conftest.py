"""What every test stands on: shapes checked as types, one thread for torch, the real data where it lies."""

import os
import sys
from pathlib import Path

import pytest
from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

beartyped = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""Checks annotations as they are meant in Python: an int is welcome where a float is."""
install_import_hook("ted_core", "tests.conftest.beartyped")  # before anything imports ted_core

ROOT = Path(__file__).parents[1]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
"""Processes that tests start import this checkout, whichever one is installed."""
DATA_DIR = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """One thread for torch, since several tests run at a time; a test that does without torch loads none."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the real data sets: TED_DATA_DIR, else shared/data beside the project."""
    folder = Path(os.environ.get("TED_DATA_DIR", DATA_DIR))
    if not folder.is_dir():
        pytest.skip(f"no real data sets at {folder}; set TED_DATA_DIR to where they lie")
    return folder
