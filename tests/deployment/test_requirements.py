"""What the project asks pip for: enough to run, and pinned."""

import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deployment.distributions import installed_with
from tests.deployment.installation import packages
from tests.test_architecture import modules

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
PRETRAINED = (
    "ted_core.proxies.pretrained",
    "ted_core.training.frozen_features",
    "ted_core.training.hidden_states",
    "ted_core.training.token_batches",
)
SWEEPER = ("worker.sweeper", "worker.maintenance_tasks", "worker.webhooks.sender", "worker.webhooks.pinned_http")
RUN_WITH: dict[str, Sequence[str]] = {
    "": ("ted_client", "ted_cli"),
    "manifest": ("ted_client", "ted_core.results.manifest"),
    "server": ("service", "ted_jobs", "ted_cli.local", "worker.doctor", *SWEEPER),
    "worker": ("worker", "ted_core", "ted_jobs", "ted_cli.demo"),
    "server,worker": packages(),
    "all": packages(),
}
"""Extras → what must run with them."""
RUN_WITH_MORE: dict[str, Sequence[str]] = {
    "": (
        "ted_client.subset",
        "ted_cli.demo",
        "ted_cli.demo_data",
        "ted_cli.local.up",
    ),
    "manifest": (),
    "server": ("worker.doctor.torch_device",),
    "worker": (*PRETRAINED, *SWEEPER),
    "server,worker": PRETRAINED,
    "all": (),
}
"""Extras → what of that asks for more than them."""
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


def requirements(extras: str) -> list[Requirement]:
    """What the project asks for with these extras, each of which may name others of its own."""
    listed = [*PROJECT["dependencies"], *(line for extra in extras.split(",") if extra for line in EXTRAS[extra])]
    parsed = list(map(Requirement, listed))
    others = [requirement for requirement in parsed if requirement.name != PROJECT["name"]]
    own = [extra for requirement in parsed if requirement.name == PROJECT["name"] for extra in requirement.extras]
    return [*others, *(requirements(",".join(own)) if own else [])]


def accelerator_libraries() -> set[str]:
    """What the installed build of torch asks for on one kind of system only: CUDA libraries, which it pins itself."""
    asked = map(Requirement, requires("torch") or [])
    return installed_with(each for each in asked if "platform_system" in str(each.marker))


def is_within(module: str, parents: Iterable[str]) -> bool:
    """Whether it is one of these modules and packages, or in one of them."""
    return any(module == parent or module.startswith(f"{parent}.") for parent in parents)


@pytest.mark.parametrize("extras", RUN_WITH)
def test_an_installation_with_these_extras_has_everything_that_is_imported(extras: str) -> None:
    present = installed_with(requirements(extras)) | INSTALLERS | {PROJECT["name"]}
    absent = {
        module
        for module, distributions in packages_distributions().items()
        if not present & set(map(canonicalize_name, distributions))
    }
    run = [name for name in modules(*packages()) if is_within(name, RUN_WITH[extras])]
    names = [name for name in run if not is_within(name, RUN_WITH_MORE[extras])]
    if "celery" not in absent:
        names.append("kombu.transport.redis")  # celery looks for its transport when it first connects

    assert {"pytest", "hypothesis", "beartype"} <= absent
    assert names
    code = f"absent, names = {absent!r}, {names!r}\n{IMPORTS}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_everything_that_is_asked_for_is_pinned() -> None:
    asked = requirements("dev")
    lines = (ROOT / "constraints" / "ci.txt").read_text().splitlines()
    pins = {
        canonicalize_name(pin.name): pin for pin in map(Requirement, (li for li in lines if not li.startswith("#")))
    }

    assert all(pin.specifier and {exact.operator for exact in pin.specifier} == {"=="} for pin in pins.values())
    assert installed_with(asked) - INSTALLERS - accelerator_libraries() <= set(pins)
    for wanted in asked:
        (exact,) = pins[canonicalize_name(wanted.name)].specifier
        assert wanted.specifier.contains(exact.version), wanted
