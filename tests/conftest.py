"""What every test stands on: shapes checked as types, one thread for torch, the real data where it lies."""

import os
import sys
from pathlib import Path

import pytest
from beartype import BeartypeConf, beartype
from beartype.claw import beartype_package
from jaxtyping import install_import_hook

ROOT = Path(__file__).parents[1]
CHECKS = BeartypeConf(is_pep484_tower=True, claw_is_pep526=False)
"""Annotations of parameters and results are checked as they are meant in Python: an int is welcome where a float is."""
beartyped = beartype(conf=CHECKS)


NEED_JAXTYPING = ("jaxtyping", "TYPE_CHECKING")
"""What a module contains whose annotations are shapes, or names for type checkers only: beartype alone fails."""


def modules_for_jaxtyping() -> list[str]:
    """Return the names of these modules of ted_core."""
    files = {file: file.read_text() for file in (ROOT / "ted_core").rglob("*.py")}
    chosen = [file for file, text in files.items() if any(word in text for word in NEED_JAXTYPING)]
    return [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in chosen]


# Before anything imports ted_core. jaxtyping's checks take much longer than beartype's, so only some modules have them.
beartype_package("ted_core", conf=CHECKS)
install_import_hook(modules_for_jaxtyping(), "tests.conftest.beartyped")

os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
"""Processes that tests start import this checkout, whichever one is installed."""
os.environ.setdefault("TED_MEASURE_THROUGHPUT", "false")
"""Every worker of every test would load torch once more."""
DATA_DIR = Path(__file__).parents[2] / "shared" / "data"


SLOW_FOLDERS = frozenset({"worker", "journeys", "faults", "pages", "deployment", "benchmarks"})
"""Their files come first: at the end, one of them would occupy one core for minutes and leave the other one idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of slow folders first, otherwise in the order in which they were collected."""
    items.sort(key=lambda item: item.path.relative_to(ROOT / "tests").parts[0] not in SLOW_FOLDERS)


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
