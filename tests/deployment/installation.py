"""Installations as a user has them: the project's own wheel in a virtual environment, and never this checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT_FILES = ("pyproject.toml", "README.md", "LICENSE")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


@dataclass(frozen=True)
class Installation:
    """A virtual environment with the project's wheel in it."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def ted(self) -> Path:
        """Its ``ted`` command."""
        return self.folder / "bin" / "ted"

    @property
    def site_packages(self) -> Path:
        """Where its packages lie."""
        return Path(sysconfig.get_path("purelib", "venv", vars={"base": str(self.folder)}))

    def run(
        self, *command: str | Path, cwd: Path, seconds: float = 60, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """What the command says and how it ends."""
        variables = clean_environment(environment)
        return subprocess.run(
            command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=seconds, check=False
        )


def clean_environment(chosen: Mapping[str, str]) -> dict[str, str]:
    """The chosen variables beside those of this process, without what would lead Python to this checkout or TED to a
    service that runs here."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TED_"))}
    return inherited | dict(chosen)


def build_wheel(folder: Path) -> Path:
    """The project's wheel, built in this folder from nothing but what belongs in it; no package index is asked."""
    source = folder / "source"
    source.mkdir()
    for name in PROJECT_FILES:
        shutil.copy(ROOT / name, source)
    for name in packages():
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder))
    subprocess.run([*PIP, "wheel", *options, str(source)], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def packages() -> list[str]:
    """The top-level packages of the wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [pattern.removesuffix("*") for pattern in project["tool"]["setuptools"]["packages"]["find"]["include"]]


def install(wheel: Path, folder: Path) -> Installation:
    """A new virtual environment that holds the wheel, and none of what it asks for."""
    venv.create(folder, symlinks=True)
    installation = Installation(folder)
    options = ("--no-deps", "--no-index", str(wheel))
    subprocess.run([*PIP, "--python", str(installation.python), "install", *options], check=True)
    return installation


def share_packages(installation: Installation) -> None:
    """Let it import what is installed here, behind its own. Links to a checkout are not followed: they hang on ``.pth``
    files, which count only where an interpreter's own packages lie."""
    (installation.site_packages / "shared.pth").write_text("\n".join(shared_folders()))


def shared_folders() -> Iterable[str]:
    """Where this interpreter's packages lie."""
    return dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
