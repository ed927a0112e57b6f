"""The scripts, with stand-ins for Python and the tools that write down how they are called."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted({*(ROOT / "scripts").iterdir(), ROOT / ".ci" / "run"} - {ROOT / "scripts" / "venv"})
BASH = [path for path in SCRIPTS if "bash" in path.read_text().splitlines()[0]]
TOOLS = ("python", "ruff", "mypy", "bandit", "lint-imports", "check-jsonschema", "hadolint", "pip-audit", "ted")
WRITES_DOWN = '#!/bin/sh\necho "${0##*/} $*" >> "$CALLS"\nexit ${FAILS_WITH:-0}\n'

Run = Callable[..., subprocess.CompletedProcess[str]]


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project's scripts and requirements, with a .venv of stand-ins."""
    copy = tmp_path / "a copy"
    for name in ("scripts", "constraints", ".ci"):
        shutil.copytree(ROOT / name, copy / name)
    shutil.copy(ROOT / "pyproject.toml", copy)
    for tool in TOOLS:
        executable(copy / ".venv" / "bin" / tool, WRITES_DOWN)
    return copy


@pytest.fixture
def calls(copy: Path) -> Callable[[], list[str]]:
    """What the stand-ins were asked since the last time."""
    path = copy / "calls"

    def read() -> list[str]:
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    return read


@pytest.fixture
def run(copy: Path) -> Run:
    """Run a script from another folder, as a user may."""

    def start(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = os.environ | {"CALLS": str(copy / "calls")} | environment
        return subprocess.run(
            [copy / name, *arguments], cwd=copy.parent, env=variables, capture_output=True, text=True, check=False
        )

    return start


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_may_be_run(path: Path) -> None:
    assert os.access(path, os.X_OK)


@pytest.mark.parametrize("path", BASH, ids=lambda path: path.name)
def test_a_script_stops_at_its_first_failure(path: Path) -> None:
    assert "set -euo pipefail\n" in path.read_text()


@pytest.mark.parametrize("path", [*BASH, ROOT / "scripts" / "venv"], ids=lambda path: path.name)
def test_a_script_is_bash(path: Path) -> None:
    assert subprocess.run(["bash", "-n", path], check=False).returncode == 0  # noqa: S607


def test_installing_happens_once_for_each_extra_and_again_when_the_requirements_change(
    copy: Path, run: Run, calls: Callable[[], list[str]]
) -> None:
    def installed() -> list[str]:
        return [line for line in calls() if "--editable" in line]

    run("scripts/serve")
    assert [line.split()[-1] for line in installed()] == [".[server,worker]"]
    run("scripts/serve")
    assert installed() == []
    run("scripts/test")
    assert [line.split()[-1] for line in installed()] == [".[dev]"]
    with (copy / "constraints" / "ci.txt").open("a") as file:
        file.write("# changed\n")
    run("scripts/test")
    assert [line.split()[-1] for line in installed()] == [".[dev]"]


def test_a_failed_installation_is_tried_again(run: Run, calls: Callable[[], list[str]]) -> None:
    assert run("scripts/serve", FAILS_WITH="1", PYTHON="true").returncode != 0
    calls()

    assert run("scripts/serve").returncode == 0

    assert any("--editable" in line for line in calls())


@pytest.mark.parametrize("script", ["serve", "demo"])
def test_arguments_reach_the_command_and_not_the_installation(
    script: str, run: Run, calls: Callable[[], list[str]]
) -> None:
    run(f"scripts/{script}", "--dataset-root", "a folder")

    *installation, command = calls()
    assert command.startswith("ted ")
    assert command.endswith("--dataset-root a folder")
    assert "--dataset-root" not in "".join(installation)


def test_without_a_python_of_today_it_says_what_to_install(copy: Path, run: Run, tmp_path: Path) -> None:
    shutil.rmtree(copy / ".venv")
    for name in ("python3", "python3.14", "python3.13", "python3.12", "python3.11"):
        executable(tmp_path / "old" / name, "#!/bin/sh\nexit 1\n")

    done = run("scripts/test", PATH=f"{tmp_path / 'old'}:{os.defpath}", PYTHON="")

    assert done.returncode == 1
    assert done.stderr.startswith("TED needs Python 3.11 or newer")


def test_check_runs_every_tool_and_the_tests_last(run: Run, calls: Callable[[], list[str]]) -> None:
    assert run(".ci/run").returncode == 0

    made = [re.sub(r"^python (-m )?", "", line) for line in calls()]
    checks = [line for line in made if not line.startswith(("pip ", "-c "))]
    assert [line.split()[0] for line in checks] == [
        "ruff", "ruff", "mypy", "bandit", "lint-imports", "scripts/openapi", "check-jsonschema", "hadolint",
        "pip-audit", "pytest",
    ]  # fmt: skip


def test_coverage_runs_the_chosen_tests_and_measures(run: Run, calls: Callable[[], list[str]]) -> None:
    run("scripts/coverage", "tests/worker")

    assert calls()[-1].endswith("--cov --cov-report=term tests/worker")


def test_where_nobody_can_be_asked_for_vulnerabilities_that_is_said_and_no_failure(
    copy: Path, run: Run, calls: Callable[[], list[str]]
) -> None:
    run("scripts/audit")
    assert any(line.startswith("pip-audit ") for line in calls())
    executable(copy / ".venv" / "bin" / "python", "#!/bin/sh\nexit 1\n")

    done = run("scripts/audit")

    assert (done.returncode, calls()) == (0, [])
    assert "nobody has looked" in done.stderr
