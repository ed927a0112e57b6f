"""The ``ted`` command says in one line what a user can mend."""

import json
import os
import subprocess
from importlib.metadata import version
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
        pytest.param(["submit", "missing.json"], "not a readable job file", id="no such file"),
    ],
)
def test_an_error_the_user_can_remedy_is_one_line_and_status_one(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = ted("--home", str(tmp_path), *arguments)

    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_a_port_in_use_is_named_in_the_error(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("arguments", [[], ["submit"], ["datasets"], ["datasets", "add"]])
def test_h_is_short_for_help(arguments: list[str]) -> None:
    short, long = ted(*arguments, "-h"), ted(*arguments, "--help")

    assert (short.returncode, short.stdout) == (0, long.stdout)
    assert "Usage: ted" in short.stdout


def test_version_is_that_of_the_installed_distribution() -> None:
    shown = ted("--version")

    assert (shown.returncode, shown.stdout) == (0, f"ted {version('ted-coreset')}\n")


def test_completion_can_be_installed_and_completes_subcommands() -> None:
    options = ted("--help").stdout

    assert "--install-completion" in options
    assert completions("ted dow") == ["download"]
    assert completions("ted export --a") == ["--as"]
    assert completions("ted export --as llama") == ["llama-factory"]


def completions(line: str) -> list[str]:
    """What the shell offers for the last word of the line."""
    words = str(len(line.split()) - 1)
    return ted(_TED_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=words).stdout.split()


def test_migrating_by_hand_prepares_the_database_of_the_home_folder(tmp_path: Path) -> None:
    done = ted("--home", str(tmp_path), "migrate")

    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "ted.db").exists()


def test_the_doctor_s_exit_status_says_whether_something_is_wrong(tmp_path: Path) -> None:
    table, as_json = ted("--home", str(tmp_path), "doctor"), ted("--home", str(tmp_path), "doctor", "--json")

    assert table.returncode == as_json.returncode == 1
    findings = {finding["subject"]: finding for finding in json.loads(as_json.stdout)}
    assert (findings["database"]["verdict"], findings["home folder"]["verdict"]) == ("problem", "ok")
    assert "ted migrate" in findings["database"]["remedy"]
    assert "ted migrate" in table.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_checks_the_settings_from_the_environment(tmp_path: Path) -> None:
    as_json = ted("--home", str(tmp_path), "doctor", "--json", TED_DATABASE_URL="no URL at all")

    findings = {finding["subject"]: finding for finding in json.loads(as_json.stdout)}
    assert findings["database"]["fact"] == "TED_DATABASE_URL is no URL"
