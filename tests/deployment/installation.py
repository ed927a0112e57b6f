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
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.deployment.distributions import applies

ROOT = Path(__file__).parents[2]
PROJECT_FILES = ("pyproject.toml", "README.md", "LICENSE")
"""What the packages are built from, beside the code."""
PIP = (sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--quiet")


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
    """The project's wheel, built in this folder from the source distribution beside it; no package index is asked."""
    source = folder / "source"
    source.mkdir()
    for name in (*PROJECT_FILES, "MANIFEST.in"):
        shutil.copy(ROOT / name, source)
    for name in (*packages(), "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = (sys.executable, "-P", "-m", "build", "--no-isolation", "--outdir", str(folder), str(source))
    subprocess.run(build, env=clean_environment({}), stdout=subprocess.DEVNULL, check=True)
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
    pip = (*PIP, "--python", str(installation.python))
    subprocess.run([*pip, "install", *options], env=clean_environment({}), check=True)
    return installation


def own_requirements(installation: Installation, *extras: str) -> list[Requirement]:
    """What the installed wheel asks for here with these extras, each of which may name others of its own."""
    (folder,) = installation.site_packages.glob("ted_coreset-*.dist-info")
    ours = Distribution.at(folder)
    listed = [each for each in map(Requirement, ours.requires or []) if applies(each, extras=extras)]
    own = {extra for each in listed if each.name == ours.name for extra in each.extras}
    if own - set(extras):
        return own_requirements(installation, *extras, *own)
    return [Requirement(str(each).partition(";")[0]) for each in listed if each.name != ours.name]


def link_packages(installation: Installation, distributions: Iterable[str]) -> None:
    """Let it import these distributions as they are installed here, and no other."""
    for name in distributions:
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or []} - {"..", "__pycache__"}:
            (installation.site_packages / top).symlink_to(found.locate_file(top))


def disk_space(folder: Path) -> int:
    """The bytes that its files take on the disk, wherever they lie."""
    files = (Path(place, name) for place, _, names in os.walk(folder, followlinks=True) for name in names)
    return sum(512 * file.stat().st_blocks for file in files)


def share_packages(installation: Installation) -> None:
    """Let it import what is installed here, behind its own. Links to a checkout are not followed: they hang on ``.pth``
    files, which count only where an interpreter's own packages lie."""
    (installation.site_packages / "shared.pth").write_text("\n".join(shared_folders()))


def shared_folders() -> Iterable[str]:
    """Where this interpreter's packages lie."""
    return dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
