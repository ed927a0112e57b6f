"""docs/api.md, pasted into one shell from top to bottom: a real service answers what the page says it does."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.app import create_app
from service.http.problems import STATUS
from ted_core import errors as core
from ted_core.distributed.errors import BatchSmallerThanRanks, RankLost
from ted_core.errors import TedError
from ted_core.machine.device import DeviceMissing
from ted_core.training.gradients import LayerNotSupported
from ted_core.warnings import WarningCode
from ted_jobs import errors as jobs
from ted_jobs.api_keys.text import KEY_PATTERN
from ted_jobs.settings import Settings
from worker.ranks.devices import RanksNotPossible
from worker.ranks.reading import RanksMissing
from worker.ranks.rendezvous import SeatNotTaken

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
STEP = re.compile(r"```bash\n(?P<block>.*?)```(?:\n\n```\n(?P<answer>.*?)```)?", re.DOTALL)
MARK = "----- step {} -----\n"
SECONDS = 270
PROGRAMS = {"ted": "-m ted_cli.main", "python": ""}
"""What the reader's shell finds, and how this interpreter is started for it."""

ROUTER = [
    (404, "not_found", "There is no such path; `/openapi.json` lists those there are."),
    (405, "method_not_allowed", "The path has other methods; `Allow` names them."),
    (500, "internal_error", "A defect of the service; its log holds more under the request's id."),
]
"""Problems that are no error of ours."""
OF_WORKERS: tuple[type[TedError], ...] = (
    core.DatasetChanged,
    core.DatasetUnavailable,
    core.TrainingDiverged,
    LayerNotSupported,
    core.OutOfMemory,
    core.PrecisionMissing,
    core.StorageFull,
    jobs.LeaseExpired,
    jobs.MachineFailed,
    jobs.RunnerCrashed,
    jobs.RunnerKilled,
    jobs.RunnerStalled,
    DeviceMissing,
    BatchSmallerThanRanks,
    RankLost,
    RanksMissing,
    RanksNotPossible,
    SeatNotTaken,
)
"""What only a job that runs can meet."""


@dataclass(frozen=True)
class Step:
    """A block of the page, and what it says that the block prints."""

    block: str
    answer: str

    def is_told_by(self, printed: str) -> bool:
        """Whether the answer is what was printed, but for white space, and for what it leaves out with an ellipsis."""
        parts = (re.escape(_bare(part)) for part in self.answer.split("…"))
        return re.fullmatch(".*".join(parts), _bare(printed), re.DOTALL) is not None


def _bare(text: str) -> str:
    return re.sub(r"\s+", "", text)


STEPS = [Step(found["block"], found["answer"] or "") for found in STEP.finditer(PAGE.read_text())]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the shell is."""
    return tmp_path_factory.mktemp("walk")


@pytest.fixture(scope="module")
def printed(folder: Path) -> Mapping[int, str]:
    """What each step prints in a shell that goes through them and stops at the first that fails."""
    if missing := [name for name in ("bash", "curl", "jq", "sha256sum") if not shutil.which(name)]:
        pytest.skip(f"the page needs {', '.join(missing)}")
    script = "set -eu\n" + "".join(f"echo '{MARK.format(n).strip()}'\n{step.block}" for n, step in enumerate(STEPS))
    told = _pasted(script, folder)
    _, *parts = re.split(MARK.format(r"(\d+)"), told)
    return dict(zip(map(int, parts[::2]), parts[1::2], strict=True))


def _pasted(script: str, folder: Path) -> str:
    """What a shell prints in this folder; nothing that it started outlives it."""
    with (folder / "errors").open("w+") as errors:
        shell = subprocess.Popen(
            ["bash"],  # noqa: S607 - the reader's own
            cwd=folder,
            env=_environment(folder / "bin"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            told, _ = shell.communicate(script, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            _end(shell)
            told, _ = shell.communicate(timeout=60)
        _end(shell)
        errors.seek(0)
        sys.stderr.write(errors.read())
    return told


def _end(shell: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(shell.pid, signal.SIGTERM)


def _environment(programs: Path) -> dict[str, str]:
    programs.mkdir()
    for name, options in PROGRAMS.items():
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {options} "$@"\n')
        (programs / name).chmod(0o755)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TED_")}
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    settings = {"TED_RUNNER_THREADS": "1", "TED_DEVICE": "cpu", "TED_LOG_LEVEL": "DEBUG"}
    return inherited | settings | {"PATH": path, "LC_ALL": "C"}


@pytest.mark.parametrize("number", range(len(STEPS)), ids=lambda number: STEPS[number].block.splitlines()[0][:60])
def test_a_block_prints_what_the_page_says(number: int, printed: Mapping[int, str]) -> None:
    assert number in printed, "the shell did not come so far"
    assert STEPS[number].is_told_by(printed[number]), f"{printed[number]}\n--- is not ---\n{STEPS[number].answer}"


@pytest.mark.usefixtures("printed")
def test_no_process_logs_a_key_a_secret_or_a_label_at_any_level(folder: Path) -> None:
    logs = {path.name: path.read_text() for path in (folder / "ted-home" / "logs").iterdir()}

    assert {"api.log", "sweeper.log", "worker.log"} <= set(logs)
    assert all("job_" in logs[name] for name in ("api.log", "worker.log"))
    for name, log in logs.items():
        assert re.findall(rf"{KEY_PATTERN.pattern}|whsec_\w+|owls", log) == [], name


def test_the_walk_comes_past_every_endpoint() -> None:
    page = "".join(step.block for step in STEPS)

    for path, operations in create_app(Settings()).openapi()["paths"].items():
        spelled = re.sub(r"\\{\w+\\}", r"[$\\w]+", re.escape(path)) + r"(?![/\w$])"
        lines = [line for line in page.replace("\\\n", " ").splitlines() if re.search(spelled, line)]
        assert set(operations) <= {_method(line) for line in lines}, path


def _method(line: str) -> str:
    """What curl sends by this line."""
    if named := re.search(r"-X (\w+)", line):
        return named[1].lower()
    if " -d " in line and " -G " not in line:
        return "post"
    return "head" if " -I " in line else "get"


def rows(facts: Iterable[tuple[object, str, str]]) -> list[str]:
    return [f"| {first} | `{second}` | {third} |" for first, second, third in facts]


def test_the_page_lists_every_problem_with_its_remedy() -> None:
    listed = re.findall(r"^\| \d{3} \|.*$", PAGE.read_text(), re.MULTILINE)

    ours = [(status, error.code(), error.remedy()) for error, status in STATUS.items()]
    assert listed == rows(sorted([*ROUTER, *ours]))


def table_under(heading: str) -> list[str]:
    """The rows of the first table below the heading."""
    section = PAGE.read_text().split(f"\n| {heading} |", 1)[1].split("\n\n", 1)[0]
    return section.splitlines()[2:]


def test_the_page_lists_every_warning_with_its_remedy() -> None:
    assert table_under("warning") == sorted(f"| `{code.value}` | {code.remedy} |" for code in WarningCode)


def test_the_page_lists_what_only_a_running_job_meets() -> None:
    listed = table_under("code | retryable")

    told = sorted((error.code(), "yes" if error.retryable else "no", error.remedy()) for error in OF_WORKERS)
    assert listed == [f"| `{code}` | {again} | {remedy} |" for code, again, remedy in told]
