"""The ``ted`` command says in one line what a user can mend."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.servers.stacks import command


def ted(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=60, env=os.environ | environment, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["list"], "ted up", id="no service here"),
        pytest.param(
            ["--url", "http://127.0.0.1:9", "--patience", "1", "list"], "does not answer", id="no service there"
        ),
        pytest.param(["submit", "missing.json"], "not a readable JSON file", id="no such file"),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_status_one(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = ted("--home", str(tmp_path), *arguments)

    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_a_taken_port_is_named_and_nothing_stays_behind(tmp_path: Path) -> None:
    import socket  # noqa: PLC0415

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        done = ted("--home", str(tmp_path / "home"), "up", "--port", str(port))

    assert done.returncode == 1
    assert f"Port {port} is taken" in done.stderr


def test_help_names_every_command() -> None:
    shown = ted("--help").stdout

    running = ["up", "api", "sweeper", "worker", "migrate", "keys", "doctor", "demo"]
    asking = ["submit", "retry", "watch", "list", "cancel", "delete", "events", "download", "report"]
    for name in [*running, *asking, "datasets", "webhooks"]:
        assert f" {name} " in shown


def test_migrating_by_hand_prepares_the_database_of_the_home_folder(tmp_path: Path) -> None:
    done = ted("--home", str(tmp_path), "migrate")

    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "ted.db").exists()


def test_the_doctor_s_exit_status_says_whether_something_is_wrong(tmp_path: Path) -> None:
    shown, told = ted("--home", str(tmp_path), "doctor"), ted("--home", str(tmp_path), "doctor", "--json")

    assert shown.returncode == told.returncode == 1
    found = {finding["subject"]: finding for finding in json.loads(told.stdout)}
    assert (found["database"]["verdict"], found["home folder"]["verdict"]) == ("problem", "ok")
    assert "ted migrate" in found["database"]["remedy"]
    assert "ted migrate" in shown.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_looks_at_what_the_environment_names(tmp_path: Path) -> None:
    told = ted("--home", str(tmp_path), "doctor", "--json", TED_DATABASE_URL="no URL at all")

    found = {finding["subject"]: finding for finding in json.loads(told.stdout)}
    assert found["database"]["fact"] == "TED_DATABASE_URL is no URL"
