"""The compose file is valid, and every command that it runs is a real one."""

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from ted_client import broker
from tests.databases import DATABASES
from tests.households import until

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SAYS_WHEN_READY = {
    "api": "Application startup complete",
    "sweeper": "sweeper ready",
    "worker": " ready.",
    "worker-gpu": " ready.",
}
GRACE_SECONDS = 30


def tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = Path(sys.executable).parent / name
    return subprocess.run([path, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_compose_file_follows_the_compose_specification() -> None:
    checked = tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_dockerfile_has_no_lint() -> None:
    linted = tool("hadolint", "Dockerfile")

    assert linted.stdout == ""
    assert linted.returncode == 0


def test_nothing_is_published_beyond_this_machine() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_image_of_ours_is_a_stage_of_the_dockerfile() -> None:
    stages = [line.split()[-1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("FROM")]

    targets = {service["build"]["target"] for service in COMPOSE["services"].values() if "build" in service}

    assert targets <= set(stages)


# --- the commands, as processes -------------------------------------------------------------------------------------


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[str]:
    """The URL of the server that the compose file names, here on a Unix socket."""
    home = tmp_path / "broker"
    home.mkdir()
    process = subprocess.Popen(broker.command(home), stdout=subprocess.DEVNULL)
    until(broker.socket_path(home).exists, seconds=10)
    yield f"redis+socket://{broker.socket_path(home)}"
    process.terminate()
    process.wait(10)


@pytest.fixture(params=DATABASES)
def environment(request: pytest.FixtureRequest, tmp_path: Path, valkey: str) -> Iterator[dict[str, str]]:
    """The compose file's environment, with this machine's addresses in it."""
    named = COMPOSE["x-environment"]
    with DATABASES[request.param](tmp_path) as database:
        here = {
            "TED_DATABASE_URL": database,
            "TED_BROKER_URL": valkey,
            "TED_HOME": str(tmp_path / "home"),
            "TED_DATASET_ROOTS": str(tmp_path),
        }
        assert set(here) == set(named)
        yield os.environ | here


def run(name: str, environment: dict[str, str], *, log: Path = Path(os.devnull)) -> subprocess.Popen[bytes]:
    """The service's own command, with what its own section adds to the environment."""
    service = COMPOSE["services"][name]
    own = {key: value for key, value in service["environment"].items() if key not in COMPOSE["x-environment"]}
    local = {"TED_HOST": "127.0.0.1", "TED_PORT": str(free_port())} if "TED_HOST" in own else {}
    program, *arguments = service["command"]
    assert program == "python"
    with log.open("wb") as output:
        return subprocess.Popen([sys.executable, *arguments], env=environment | own | local, stderr=output)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_migrate_prepares_the_database_and_may_run_twice(environment: dict[str, str]) -> None:
    for _ in range(2):
        assert run("migrate", environment).wait(60) == 0


def test_every_lasting_service_starts_and_ends_cleanly_when_told_to(
    environment: dict[str, str], tmp_path: Path
) -> None:
    assert run("migrate", environment).wait(60) == 0
    logs = {name: tmp_path / f"{name}.log" for name in SAYS_WHEN_READY}
    processes = {name: run(name, environment, log=log) for name, log in logs.items()}
    for name, words in SAYS_WHEN_READY.items():
        until(lambda: words in logs[name].read_text())  # noqa: B023

    for process in processes.values():
        process.terminate()

    assert {process.wait(GRACE_SECONDS) for process in processes.values()} == {0}


def test_the_api_answers_its_own_health_check(environment: dict[str, str]) -> None:
    assert run("migrate", environment).wait(60) == 0
    environment |= {"TED_PORT": str(free_port())}
    process = subprocess.Popen([sys.executable, "-m", "service"], env=environment)

    def probe() -> bool:
        return subprocess.call([sys.executable, "-m", "service.probe"], env=environment, stderr=subprocess.DEVNULL) == 0

    try:
        until(probe, seconds=30)
        ready = urllib.request.urlopen(f"http://127.0.0.1:{environment['TED_PORT']}/readyz", timeout=10)
        with ready:
            assert b'"ok"' in ready.read()
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    assert not probe()
