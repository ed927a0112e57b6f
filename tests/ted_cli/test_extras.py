"""What the client and the ``ted`` command load, and what a subcommand says if its extra is not installed."""

import importlib.util
import subprocess
import sys
from importlib.machinery import ModuleSpec

import pytest
from typer.testing import CliRunner

from ted_cli import extras
from ted_cli.commands import serve
from ted_cli.main import app

SERVER_SIDE = {"fastapi", "sqlalchemy", "celery", "torch", "tenacity", "structlog", "sklearn"}
SLOW = {"numpy", "pyarrow", "pydantic", *SERVER_SIDE}


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of packages that are not found; a test adds to them."""
    absent = set[str]()

    def find_spec(name: str) -> ModuleSpec | None:
        return None if name in absent else importlib.util.find_spec(name)

    monkeypatch.setattr(extras, "find_spec", find_spec)
    return absent


def packages_loaded_by(statement: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after this statement."""
    code = f"import sys\n{statement}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize("module", ["ted_client.async_client", "ted_client.subset", "ted_cli.main"])
def test_the_client_and_the_command_load_no_package_of_the_server_or_worker(module: str) -> None:
    loaded = packages_loaded_by(f"import {module}")

    assert "ted_core" in loaded
    assert not loaded & SERVER_SIDE


def test_ted_help_loads_nothing_slow() -> None:
    loaded = packages_loaded_by("from ted_cli.main import app\napp(['--help'], standalone_mode=False)")

    assert not loaded & SLOW


@pytest.mark.parametrize(
    ("command", "missing", "named"),
    [
        pytest.param("up", "fastapi", "server,worker", id="up without the server"),
        pytest.param("up", "torch", "server,worker", id="up without the worker"),
        pytest.param("api", "fastapi", "server", id="api"),
        pytest.param("sweeper", "fastapi", "server", id="sweeper"),
        pytest.param("migrate", "fastapi", "server", id="migrate"),
        pytest.param("keys", "fastapi", "server", id="keys"),
        pytest.param("worker", "torch", "worker", id="worker"),
        pytest.param("worker", "celery", "worker", id="worker without its queue"),
        pytest.param("demo", "fastapi", "server,worker", id="demo"),
    ],
)
def test_a_command_whose_extra_is_missing_says_which_to_install(
    command: str, missing: str, named: str, without: set[str]
) -> None:
    without.add(missing)

    done = CliRunner().invoke(app, [command])

    assert done.exit_code == 2
    assert done.stderr == f"ted {command} needs the extra: pip install 'ted-coreset[{named}]'\n"
    assert done.stdout == ""


def test_the_doctor_needs_either_extra_as_it_runs_beside_the_api_and_beside_a_worker(without: set[str]) -> None:
    without |= {"fastapi", "torch"}

    done = CliRunner().invoke(app, ["doctor"])

    installations = "pip install 'ted-coreset[server]' or pip install 'ted-coreset[worker]'"
    assert (done.exit_code, done.stderr) == (2, f"ted doctor needs an extra: {installations}\n")


@pytest.mark.parametrize("missing", ["fastapi", "torch"])
def test_one_of_them_is_enough_for_the_doctor(missing: str, without: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    without.add(missing)
    monkeypatch.setattr(serve, "collect_findings", lambda *_, **__: [])

    assert CliRunner().invoke(app, ["doctor", "--json"]).exit_code == 0


def test_an_extra_that_another_command_needs_is_not_asked_for(without: set[str]) -> None:
    without |= {"fastapi", "torch", "celery"}

    done = CliRunner().invoke(app, ["--url", "http://127.0.0.1:9", "--patience", "0", "list"])

    assert "does not answer" in str(done.exception)
