"""The rules of the house: which room may know which, and how large a room may be."""

import pkgutil
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("ted_core", "ted_jobs", "service", "worker", "ted_client")
MOST_LINES = 250
PERSONAL = re.compile(r"(?<![\w.-])/(?:home|root|Users)/\w")


def modules(*packages: str) -> list[str]:
    found = []
    for package in packages:
        folder = import_module(package).__path__
        found += [package, *(module.name for module in pkgutil.walk_packages(folder, f"{package}."))]
    return [name for name in found if not name.endswith("__main__") and ".versions" not in name and ".env" not in name]


def loaded_by(names: list[str]) -> set[str]:
    """What a fresh interpreter has loaded after importing these."""
    code = f"import sys\nfor name in {names!r}: __import__(name)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_no_import_crosses_a_layer_the_wrong_way() -> None:
    linter = Path(sys.executable).parent / "lint-imports"

    checked = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("package", ["service", "ted_jobs", "ted_client"])
def test_packages_that_serve_and_store_never_load_torch(package: str) -> None:
    assert "torch" not in loaded_by(modules(package))


@pytest.mark.parametrize("module", ["worker.app", "worker.supervisor", "worker.sweeper"])
def test_the_worker_outside_its_runner_never_loads_torch(module: str) -> None:
    assert "torch" not in loaded_by([module])


def test_the_science_loads_no_web_framework_queue_or_database() -> None:
    loaded = loaded_by(modules("ted_core"))

    assert "torch" in loaded
    assert not loaded & {"fastapi", "celery", "sqlalchemy", "redis"}


def test_a_module_is_small_enough_to_be_one_idea() -> None:
    lines = {
        path: len(path.read_text().splitlines()) for package in PACKAGES for path in (ROOT / package).rglob("*.py")
    }

    assert lines
    assert [str(path) for path, count in lines.items() if count > MOST_LINES] == []


def committed() -> list[Path]:
    git = shutil.which("git") or pytest.skip("git is not installed")
    # Whoever owns the checkout (in a container often somebody else): only names are read.
    command = [git, "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for path in (ROOT / name for name in listed.stdout.split("\0") if name) if path.is_file()]


def test_no_file_names_somebodys_machine() -> None:
    here = re.compile(rf"{PERSONAL.pattern}|(?<![\w.-]){re.escape(str(ROOT))}\b")

    named = [str(path) for path in committed() if here.search(path.read_text(errors="replace"))]

    assert here.search(f"cd {ROOT}")
    assert named == []


def test_every_relative_link_in_the_documents_leads_somewhere() -> None:
    documents = [path for path in committed() if path.suffix == ".md"]

    links = [(path, link) for path in documents for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text())]

    assert links
    assert [(path.name, link) for path, link in links if not (path.parent / link).exists()] == []


def test_no_folder_waits_for_its_first_file() -> None:
    files = committed()

    folders = {folder for path in files for folder in path.parents if folder.is_relative_to(ROOT)}
    filled = {folder for path in files if path.stat().st_size for folder in path.parents}

    assert ROOT / "ted_core" / "datasets" in filled
    assert folders <= filled
