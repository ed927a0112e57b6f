"""``ted roots``: folders that are allowed while the service runs."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ted_cli.main import app
from ted_jobs.settings import Settings

Ted = Callable[..., str]


@pytest.fixture
def ted(settings: Settings) -> Ted:
    """What a command prints about the service's home folder."""

    def run(*arguments: str, status: int = 0) -> str:
        home = ["--home", str(settings.home)]
        done = CliRunner().invoke(app, [*home, *arguments], env={"COLUMNS": "200", "TED_URL": ""})
        assert done.exit_code == status, done.output
        return done.output + str(done.exception or "")

    return run


def submit(url: str, folder: Path) -> str:
    """What the service says to a job about data in the folder."""
    options = ["--task", "image-classification", "--proxy", "cnn", "--keep", "0.6"]
    done = CliRunner().invoke(app, ["--url", url, "submit", "--dataset", str(folder / "images.parquet"), *options])
    return done.output + str(done.exception or "")


def test_a_folder_is_allowed_and_refused_again_while_the_service_runs(
    ted: Ted, url: str, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "more"
    shutil.copytree(settings.dataset_roots[0], folder)

    before = submit(url, folder)
    ted("roots", "add", str(folder))
    meanwhile, listed = submit(url, folder), ted("roots", "--json")
    ted("roots", "remove", str(folder))
    after = submit(url, folder)

    assert "outside the folders" in before
    assert meanwhile.startswith("job_")
    assert json.loads(listed) == {"root": str(folder), "from": "ted roots add"}
    assert "outside the folders" in after


def test_a_link_is_allowed_as_the_folder_that_it_leads_to(ted: Ted, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)

    first, again = (json.loads(ted("roots", "add", str(tmp_path / name), "--json")) for name in ("link", "more"))

    assert first == {"root": str(folder), "added": True}
    assert again == {"root": str(folder), "added": False}


def test_what_is_no_folder_is_refused(ted: Ted, tmp_path: Path) -> None:
    assert "is no folder" in ted("roots", "add", str(tmp_path / "nowhere"), status=2)
    assert "Invalid value for FOLDER" in ted("roots", "add", "s3://", status=2)
    assert "lists them" in ted("roots", "remove", str(tmp_path), status=1)


def test_roots_are_those_of_this_machine_s_service(ted: Ted) -> None:
    assert "on this machine" in ted("--url", "http://ted.example", "roots", status=2)
