"""The project can be published: an index would take its packages, and they hold what is needed and no more."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from tests.deployment.installation import ROOT, packages

INSTALLED = {".py", ".typed", ".ini", ".mako", ".html", ".css", ".js"}
"""What the packages' folders hold that is meant to be installed."""


def source_files() -> set[str]:
    files = (file for name in packages() for file in (ROOT / name).rglob("*"))
    return {str(file.relative_to(ROOT)) for file in files if file.suffix in INSTALLED}


def test_an_index_would_take_both_packages(wheel: Path) -> None:
    (source,) = wheel.parent.glob("*.tar.gz")
    command = [sys.executable, "-P", "-m", "twine", "check", "--strict", str(source), str(wheel)]

    checked = subprocess.run(command, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.count("PASSED") == 2


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if not name.split("/")[0].endswith(".dist-info")}

    assert held == source_files()


def test_the_source_distribution_holds_no_tests(wheel: Path) -> None:
    (source,) = wheel.parent.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        tops = {name.split("/")[1] for name in archive.getnames() if name.count("/")}

    assert {*packages(), "LICENSE", "README.md", "pyproject.toml"} <= tops
    assert "tests" not in tops
