"""``ted keys``: making, listing and revoking API keys."""

import shutil
from pathlib import Path

import pytest

from ted_jobs.api_keys.secret import key_secret
from ted_jobs.api_keys.store import ApiKeyStore, Scope
from ted_jobs.api_keys.text import is_well_formed_key
from ted_jobs.db.engine import make_engine
from ted_jobs.settings import Settings
from tests.ted_cli.test_main import ted


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with an empty database."""
    folder = tmp_path_factory.mktemp("home")
    assert ted("--home", str(folder), "migrate").returncode == 0
    return folder


@pytest.fixture
def home(empty: Path, tmp_path: Path) -> str:
    """A copy of it."""
    return str(shutil.copytree(empty, tmp_path / "home"))


def test_a_key_goes_to_standard_output_alone_and_is_never_shown_again(home: str) -> None:
    limits = ["--most-queued", "5", "--requests-per-minute", "0", "--expires-days", "1"]
    made = ted(
        "--home", home, "keys", "create", "--tenant", "vision", "--name", "c[i]\u202e", "--scope", "read", *limits
    )
    listed = ted("--home", home, "keys", "list")

    text = made.stdout.removesuffix("\n")
    assert is_well_formed_key(text)
    settings = Settings(home=Path(home), database_url="")
    keys = ApiKeyStore(make_engine(settings.database), secret=key_secret(settings))
    holder = keys.valid_key(keys.digest(text))
    assert holder and (holder.key.tenant, holder.key.scopes) == ("vision", {Scope.READ})
    assert holder.key.id in made.stderr and text not in made.stderr
    assert text not in listed.stdout
    shown = " ".join(listed.stdout.split())
    assert f"{holder.key.id} vision c[i]\ufffd read 5 queued" in shown
    assert "any a" in shown and "never" in shown and "until" in shown


def test_a_revoked_key_is_listed_as_that(home: str) -> None:
    ted("--home", home, "keys", "create")
    key_id = ted("--home", home, "keys", "list").stdout.splitlines()[1].split()[0]

    revoked = ted("--home", home, "keys", "revoke", key_id)

    assert (revoked.returncode, revoked.stdout) == (0, "")
    assert "revoked" in ted("--home", home, "keys", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["revoke", "key_none"], "There is no such key", id="unknown"),
        pytest.param(["create", "--tenant", "a/b"], "letters", id="tenant"),
        pytest.param(["create", "--scope", "fly"], "scope", id="scope"),
        pytest.param(["create", "--most-queued", "-1"], "most-queued", id="limit"),
    ],
)
def test_invalid_key_arguments_are_reported_without_a_traceback(home: str, arguments: list[str], words: str) -> None:
    done = ted("--home", home, "keys", *arguments)

    assert done.returncode != 0
    assert done.stdout == ""
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_database_the_remedy_is_named(tmp_path: Path) -> None:
    done = ted("--home", str(tmp_path), "keys", "list")

    assert done.returncode == 1
    assert "ted migrate" in done.stderr.splitlines()[-1]
