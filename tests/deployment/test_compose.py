"""The compose file is valid, and every command that it runs is a real one."""

import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from ted_cli.local import broker
from tests.deployment.installation import PROJECT_FILES, packages
from tests.servers.databases import DATABASES
from tests.servers.stacks import until

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if "build" in service}
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SAYS_WHEN_READY = {
    "api": "Application startup complete",
    "sweeper": "sweeper ready",
    "worker": " ready.",
    "worker-gpu": " ready.",
}

ENDS_SECONDS = 30
"""A process that runners are to be forked from learns that its worker is gone once it has imported everything."""
PROGRAMS = {"python": [], "ted": ["-m", "ted_cli.main"]}

Start = Callable[[str], psutil.Popen]


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
    stages = re.findall(r"^FROM .* AS (\S+)$", DOCKERFILE, re.MULTILINE)

    assert {service["build"]["target"] for service in OURS.values()} <= set(stages)


def test_every_package_reaches_the_images_and_no_test_does() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()

    assert lines[0] == "*"
    assert {f"!{name}" for name in (*packages(), *PROJECT_FILES)} <= set(lines)
    assert "!tests" not in lines


def test_every_image_of_ours_runs_without_privileges() -> None:
    for target in {service["build"]["target"] for service in OURS.values()}:
        assert "\nUSER 10001\n" in stage_of(target), target


def stage_of(target: str) -> str:
    """The lines of the Dockerfile that make this image."""
    (stage,) = re.findall(rf"^FROM \S+ AS {target}$(.*?)(?=^FROM|\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    return str(stage)


@pytest.mark.parametrize("name", OURS)
def test_what_the_settings_name_is_mounted(name: str) -> None:
    named = OURS[name]["environment"]

    home, datasets = OURS[name]["volumes"]

    assert home.endswith(f":{named['TED_HOME']}")
    assert datasets.endswith(f":{named['TED_DATASET_ROOTS']}:ro")


def test_the_password_has_no_default() -> None:
    written = (ROOT / "docker-compose.yml").read_text() + (ROOT / ".env.example").read_text()

    passwords = re.findall(r"^ *\w*PASSWORD(?:: |=)(.*)$", written, re.MULTILINE)

    assert len(passwords) == 3
    assert all(password == "" or password.startswith("${POSTGRES_PASSWORD:?") for password in passwords)


# --- the commands, as processes -------------------------------------------------------------------------------------


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[str]:
    """The URL of the server that the compose file names, here on a Unix socket."""
    home = tmp_path / "broker"
    home.mkdir()
    with subprocess.Popen(broker.server_command(home), stdout=subprocess.DEVNULL) as process:
        try:
            until(broker.socket_path(home).exists, seconds=10)
            yield f"redis+socket://{broker.socket_path(home)}"
        finally:
            process.terminate()


@pytest.fixture(params=DATABASES)
def environment(request: pytest.FixtureRequest, tmp_path: Path, valkey: str) -> Iterator[dict[str, str]]:
    """The compose file's environment, with this machine's addresses in it."""
    with DATABASES[request.param](tmp_path) as database:
        here = {
            "TED_DATABASE_URL": database,
            "PGPASSWORD": os.environ.get("PGPASSWORD", ""),
            "TED_BROKER_URL": valkey,
            "TED_HOME": str(tmp_path / "home"),
            "TED_DATASET_ROOTS": str(tmp_path),
            "TED_MODEL_ROOTS": str(tmp_path / "models"),
            "TED_WORKERS": "1",
            "TED_RETENTION_DAYS": "",
        }
        assert set(here) == set(COMPOSE["x-environment"])
        yield os.environ | here | {"TED_PORT": str(free_port())}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Start a service's own command, logging to ``<name>.log``. What outlives the test is killed."""
    started: list[psutil.Popen] = []

    def run(name: str) -> psutil.Popen:
        service = OURS[name]
        own = {key: value for key, value in service["environment"].items() if key not in COMPOSE["x-environment"]}
        local = {"TED_HOST": "127.0.0.1"} if "TED_HOST" in own else {}
        with (tmp_path / f"{name}.log").open("wb") as log:
            started.append(psutil.Popen(here(service["command"]), env=environment | own | local, stderr=log))
        return started[-1]

    yield run
    for process in started:
        if process.is_running():
            for one in (*process.children(recursive=True), process):
                one.kill()
        process.wait()


def here(command: list[str]) -> list[str]:
    """A container's command, in this interpreter."""
    program, *arguments = command
    return [sys.executable, *PROGRAMS[program], *arguments]


def grace(name: str) -> int:
    """Seconds that Docker leaves the service between SIGTERM and SIGKILL."""
    return int(str(OURS[name].get("stop_grace_period", "10s")).removesuffix("s"))


def test_migrate_prepares_the_database_and_may_run_twice(start: Start) -> None:
    for _ in range(2):
        assert start("migrate").wait(60) == 0


def test_every_lasting_service_starts_and_ends_cleanly_when_told_to(
    start: Start, environment: dict[str, str], tmp_path: Path
) -> None:
    assert start("migrate").wait(60) == 0
    processes = {name: start(name) for name in SAYS_WHEN_READY}
    for name, words in SAYS_WHEN_READY.items():
        until(lambda: words in (tmp_path / f"{name}.log").read_text())  # noqa: B023
    everything = [child for process in processes.values() for child in process.children(recursive=True)]
    assert all(process.poll() is None for process in processes.values())
    assert passes_check("worker", environment)

    for process in processes.values():
        process.terminate()

    assert {name: process.wait(grace(name)) for name, process in processes.items()} == dict.fromkeys(processes, 0)
    assert not psutil.wait_procs(everything, timeout=ENDS_SECONDS)[1]
    assert not passes_check("worker", environment)


def passes_check(image: str, environment: dict[str, str]) -> bool:
    """Whether the health check of an image of ours says that its process is well."""
    (check,) = re.findall(r"^HEALTHCHECK .* CMD (.*)$", stage_of(image), re.MULTILINE)
    return subprocess.call(here(json.loads(check)), env=environment, stderr=subprocess.DEVNULL) == 0


def test_the_api_is_ready_and_passes_its_image_s_health_check(start: Start, environment: dict[str, str]) -> None:
    assert start("migrate").wait(60) == 0
    api = start("api")
    until(lambda: passes_check("service", environment), seconds=30)
    with urllib.request.urlopen(f"http://127.0.0.1:{environment['TED_PORT']}/readyz", timeout=10) as ready:
        assert (ready.status, json.load(ready)["status"]) == (200, "ok")

    api.terminate()

    assert api.wait(grace("api")) == 0
    assert not passes_check("service", environment)
