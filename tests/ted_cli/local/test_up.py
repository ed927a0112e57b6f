"""A service that cannot start says in one line what to do."""

from pathlib import Path

import pytest

from ted_cli.local.up import RootMissing, UpOptions, run_service
from tests.ted_cli.test_main import ted


def test_a_home_that_cannot_be_made_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    up = ted("--home", str(tmp_path / "file/home"), "up", "--port", "0")

    assert up.returncode == 1
    assert "Traceback" not in up.stderr
    assert "file/home cannot be used" in up.stderr
    assert "choose another --home" in up.stderr


def test_a_database_that_cannot_be_opened_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TED_DATABASE_URL", f"sqlite:///{tmp_path}")

    up = ted("--home", str(tmp_path / "home"), "up", "--port", "0")

    assert up.returncode == 1
    assert "Traceback" not in up.stderr
    assert "Check TED_DATABASE_URL" in up.stderr


def test_a_root_that_is_no_folder_is_refused_before_anything_starts(tmp_path: Path) -> None:
    options = UpOptions(tmp_path / "home", 0, (tmp_path / "nowhere",))

    with pytest.raises(RootMissing, match="nowhere is no folder"):
        run_service(options, print_line=lambda _: None)

    assert not (tmp_path / "home").exists()
