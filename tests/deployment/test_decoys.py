"""No process of TED runs what lies in the folder in which somebody happens to work.

The folder is full of decoys: for every module of the standard library, for every one that is installed and for our own
there is a file of that name, which tells when it is run.
"""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ted_client import Client
from tests.deployment.installation import Installation, clean_environment, install, packages, share_packages
from tests.servers.stacks import until

DECOY = "with open({log!r}, 'a') as log: print({name!r}, file=log)\n"
MORE_NAMES = ("celeryconfig", "sitecustomize", "usercustomize", "env", "__main__", *packages())
SETTINGS = {"TED_DEVICE": "cpu", "TED_RUNNER_THREADS": "1", "OMP_NUM_THREADS": "1"}
READY = {"api": "Application startup complete", "sweeper": "sweeper ready", "worker": " ready."}
DEMO = """
import sys
from pathlib import Path
from rich.console import Console
from ted_cli import demo

demo.SEEDS, demo.PROXY = (0, 1), {"name": "mlp", "epochs": 2}
demo.run_demo(Path(sys.argv[1]), console=Console())
"""
"""The whole of ``ted demo``, with less training."""


@dataclass(frozen=True)
class Workplace:
    """An installation, and a folder of decoys to work in."""

    installation: Installation
    folder: Path
    log: Path

    def decoys_run(self) -> list[str]:
        """The decoys that were run since the last time."""
        names = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return names

    def run(self, *command: str | Path, seconds: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command among the decoys."""
        return self.installation.run(*command, cwd=self.folder, seconds=seconds, **SETTINGS | environment)

    def ted(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the installed ``ted`` among the decoys."""
        return self.run(self.installation.ted, *arguments, **environment)

    @contextmanager
    def serve(self, log: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        """A part that runs among the decoys for as long as the block does."""
        variables = clean_environment(SETTINGS | environment)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [self.installation.ted, *arguments], cwd=self.folder, env=variables, stdout=output, stderr=output
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@pytest.fixture(scope="module")
def workplace(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """The wheel, installed as a user would have it, and the decoys."""
    installation = install(wheel, tmp_path_factory.mktemp("installed") / "venv")
    share_packages(installation)
    folder, log = tmp_path_factory.mktemp("decoys"), tmp_path_factory.mktemp("told") / "log"
    for name in {*sys.stdlib_module_names, *packages_distributions(), *MORE_NAMES}:
        if name.isidentifier():
            (folder / f"{name}.py").write_text(DECOY.format(log=str(log), name=name))
    return Workplace(installation, folder, log)


def test_a_decoy_tells_when_it_is_run(workplace: Workplace) -> None:
    for name in ("service", "worker", "ted_core", "numpy", "celeryconfig"):
        workplace.run(workplace.installation.python, "-c", f"import {name}")

    assert workplace.decoys_run() == ["service", "worker", "ted_core", "numpy", "celeryconfig"]


def test_our_packages_are_the_installed_ones(workplace: Workplace) -> None:
    code = f"import {', '.join(packages())}\nprint({', '.join(f'{name}.__file__' for name in packages())}, sep='\\n')"

    files = workplace.run(workplace.installation.python, "-P", "-c", code).stdout.splitlines()

    assert len(files) == len(packages())
    assert all(Path(file).is_relative_to(workplace.installation.site_packages) for file in files)


@pytest.mark.parametrize(
    "arguments", [("--help",), ("migrate",), ("keys", "--help"), ("keys", "create"), ("doctor", "--json")], ids=" ".join
)
def test_a_command_runs_what_is_installed(arguments: tuple[str, ...], workplace: Workplace, tmp_path: Path) -> None:
    assert workplace.ted("migrate", TED_HOME=str(tmp_path)).returncode == 0

    done = workplace.ted(*arguments, TED_HOME=str(tmp_path))

    assert workplace.decoys_run() == []
    assert done.returncode == (arguments[0] == "doctor"), done.stderr  # it misses the broker and the worker


def test_every_part_and_a_job_run_what_is_installed(workplace: Workplace, tmp_path: Path) -> None:
    home, data, logs = tmp_path / "home", tmp_path / "data", tmp_path / "logs"
    logs.mkdir()
    table = write_table(data / "table.parquet")
    up = ("--home", str(home), "up", "--port", "0", "--dataset-root", str(data))

    with workplace.serve(logs / "up", *up) as process:
        until(lambda: (home / "connection.json").exists() or process.poll() is not None, seconds=90)
        assert workplace.decoys_run() == []
        for name in READY:
            beside(workplace, name, home, logs / name)
        with Client.from_home(home) as client:
            job = client.submit(request(table)).wait()

    assert workplace.decoys_run() == []
    assert job.status == "succeeded", job.facts


def beside(workplace: Workplace, name: str, home: Path, log: Path) -> None:
    """Start a part of its own beside ``ted up``, and end it again."""
    with workplace.serve(log, "--home", str(home), name, TED_PORT=str(free_port())) as process:
        until(lambda: READY[name] in log.read_text() or process.poll() is not None, seconds=60)
    assert process.returncode == 0, log.read_text()


@pytest.mark.slow
def test_the_demo_runs_what_is_installed(workplace: Workplace, tmp_path: Path) -> None:
    done = workplace.run(workplace.installation.python, "-P", "-c", DEMO, str(tmp_path / "demo"), seconds=240)

    assert workplace.decoys_run() == []
    assert done.returncode == 0, done.stdout + done.stderr
    assert "random rows" in done.stdout


def write_table(path: Path) -> Path:
    """A small table, which a process of its own looks at."""
    path.parent.mkdir(parents=True)
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    columns = {"x": x, "y": rng.normal(size=200), "label": (x > 0).astype(int)}
    pq.write_table(pa.table(columns), path)
    return path


def request(table: Path) -> dict[str, object]:
    """A job that takes a second."""
    return {
        "dataset": {"uri": str(table), "task": "tabular-classification", "target": "label"},
        "proxy": {"name": "mlp", "epochs": 2},
        "plan": {"keep_ratio": 0.5, "q": 1},
    }


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
