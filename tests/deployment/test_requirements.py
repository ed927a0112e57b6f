"""What the project asks pip for: enough to run, and pinned."""

import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.test_architecture import PACKAGES, modules

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TEXT = "text"
"""The extra for pretrained models."""
INSTALLERS = {"pip", "setuptools"}
"""What a virtual environment may hold without anybody's asking."""
IMPORTS = """
import sys
from importlib import import_module

class Blind:
    # Finds what another finder finds, but for what is not to be there.
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in absent else self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Blind, sys.meta_path)
for name in names:
    import_module(name)
"""
WITH_TRANSFORMERS = (
    "ted_core.proxies.pretrained",
    "ted_core.training.frozen_features",
    "ted_core.training.token_batches",
)
"""What only the extra ``text`` makes importable."""


def installed_with(wanted: Iterable[Requirement]) -> set[str]:
    """The distributions that come with these requirements, at any depth."""
    found: set[tuple[str, frozenset[str]]] = set()
    waiting = [one for one in wanted if applies(one)]
    while waiting:
        requirement = waiting.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) not in found:
            found.add((name, extras))
            waiting += [one for one in map(Requirement, requires(name) or []) if applies(one, extras=extras)]
    return {name for name, _ in found}


def applies(requirement: Requirement, *, extras: Iterable[str] = ()) -> bool:
    """Whether pip heeds it here, asked for with these extras."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras})


@pytest.mark.parametrize("extra", [None, TEXT])
def test_an_installation_without_the_tests_tools_has_everything_that_is_imported(extra: str | None) -> None:
    asked = PROJECT["dependencies"] + (PROJECT["optional-dependencies"][extra] if extra else [])
    present = installed_with(map(Requirement, asked)) | INSTALLERS | {PROJECT["name"]}
    absent = {
        module
        for module, distributions in packages_distributions().items()
        if not present & set(map(canonicalize_name, distributions))
    }
    everything = [name for name in modules(*PACKAGES) if extra or not name.startswith(WITH_TRANSFORMERS)]
    names = [*everything, "kombu.transport.redis"]  # celery looks for its transport when it first connects

    assert {"pytest", "hypothesis", "beartype"} <= absent
    code = f"absent, names = {absent!r}, {names!r}\n{IMPORTS}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_everything_that_is_asked_for_is_pinned() -> None:
    asked = list(map(Requirement, [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]))
    lines = (ROOT / "constraints" / "ci.txt").read_text().splitlines()
    pins = {
        canonicalize_name(pin.name): pin for pin in map(Requirement, (li for li in lines if not li.startswith("#")))
    }

    assert all(pin.specifier and {exact.operator for exact in pin.specifier} == {"=="} for pin in pins.values())
    assert installed_with(asked) - INSTALLERS <= set(pins)
    for wanted in asked:
        (exact,) = pins[canonicalize_name(wanted.name)].specifier
        assert wanted.specifier.contains(exact.version), wanted
