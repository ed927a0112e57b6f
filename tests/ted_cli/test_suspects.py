"""``ted suspects``: a table, JSON, or a file in the form that its name asks for."""

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ted_cli.main import app
from ted_client import Client
from ted_core.results.manifest_writer import write_manifest
from ted_core.results.provenance import LabelNoise
from ted_core.results.suspects.listing import write_suspects
from ted_jobs.jobs.leases import Leases
from ted_jobs.settings import Settings
from tests.ted_core.results.decided import ROWS, decided, provenance
from tests.ted_jobs.successes import succeed

NOISE = LabelNoise(share=0.125, low=0.05, high=0.25, rows=1)
Ted = Callable[..., str]


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with closing(Client(url)) as client:
        yield client


@pytest.fixture
def succeeded(client: Client, leases: Leases, settings: Settings, tmp_path: Path) -> Callable[..., str]:
    """The id of a job all of whose rows look wrong, or of one that measured nothing."""

    def job(*, measured: bool = True, label: str = "cat") -> str:
        data = tmp_path / "decided.npz"
        np.savez(data, x=np.zeros((ROWS, 1), np.float32), y=np.zeros(ROWS, np.int64))
        margin = np.linspace(-1, -0.125, ROWS, dtype=np.float32) if measured else None
        found = replace(
            decided(),
            margin=margin,
            suspicion=None if margin is None else -margin,
            classes=(label, "dog"),
            likeliest=np.full(ROWS, 1, np.int32),
        )
        request = {
            "dataset": {"uri": f"{settings.dataset_roots[0]}/images.parquet", "task": "image-classification"},
            "proxy": {"name": "cnn"},
            "plan": {"keep_ratio": 0.6, "method": "ted" if measured else "random"},
        }
        written = write_manifest(tmp_path / "out", found, provenance=provenance(data))
        suspects = write_suspects(tmp_path / "out", found, accuracy=None, metadata=written.metadata)
        files = {"manifest": written.manifest, "decisions": written.decisions, "suspects": suspects}
        job_id = client.submit(request).id
        result = RESULT | {"label_noise": NOISE.model_dump() if measured else None}
        succeed(job_id, files, leases=leases, artifacts=settings.artifacts, result=result)
        return job_id

    return job


RESULT: dict[str, Any] = {
    "rows_in": 40,
    "rows_kept": 24,
    "achieved_ratio": 0.6,
    "dataset_fingerprint": "",
    "indices_sha256": "",
    "content_sha256": "",
    "q": {"value": 1.0, "chosen_by": "the client"},
    "cost": {"rows_trained": 1, "rows_measured": 1, "full_run_rows": 1, "of_one_full_run": 1.0, "seconds": 1.0},
}


@pytest.fixture
def ted(url: str) -> Ted:
    """What a command prints."""

    def run(*arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(app, ["--url", url, *arguments], env={"COLUMNS": "200"})
        assert done.exit_code == status, done.output
        return done.output if status else done.stdout

    return run


def test_the_estimate_and_the_most_suspicious_rows_are_shown(ted: Ted, succeeded: Callable[..., str]) -> None:
    printed = ted("suspects", succeeded(), "--limit", "2").splitlines()

    assert printed[0].strip() == "about 1 label looks wrong (12.5%, 95 % interval 5.0% to 25.0%)"
    assert printed[1].split() == ["rank", "row", "index", "sample", "key", "label", "likeliest", "margin", "kept"]
    assert printed[2].split() == ["1", "0", "row-0", "cat", "dog", "-1.000", "pruned"]
    assert printed[3].split() == ["2", "1", "row-1", "dog", "-", "-0.875", "kept"]
    assert "the first 2 rows" in printed[4]


def test_names_from_the_dataset_are_harmless_and_short(ted: Ted, succeeded: Callable[..., str]) -> None:
    printed = ted("suspects", succeeded(label="[red]\x1b[31m" + 300 * "x"))

    assert "[red]\N{REPLACEMENT CHARACTER}[31m" in printed
    assert "\x1b" not in printed
    assert max(map(len, printed.splitlines())) <= 200


def test_a_job_that_measured_nothing_says_why(ted: Ted, succeeded: Callable[..., str]) -> None:
    printed = " ".join(ted("suspects", succeeded(measured=False)).split())

    assert printed.startswith("Method random does not ask models")


def test_the_page_is_also_json(ted: Ted, succeeded: Callable[..., str]) -> None:
    page = json.loads(ted("suspects", succeeded(), "--json", "--limit", "3"))

    assert [row["row_index"] for row in page["data"]] == [0, 1, 2]
    assert page["label_noise"] == NOISE.model_dump()


@pytest.mark.parametrize("limit", [None, 3])
def test_the_list_is_saved_as_csv_or_json(
    ted: Ted, succeeded: Callable[..., str], tmp_path: Path, limit: int | None
) -> None:
    job, more = succeeded(), ("--limit", str(limit)) if limit else ()

    ted("suspects", job, "--output", str(tmp_path / "new" / "list.csv"), *more)
    ted("suspects", job, "--output", str(tmp_path / "list.JSON"), *more)

    rows = json.loads((tmp_path / "list.JSON").read_text())
    with (tmp_path / "new" / "list.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [row["row_index"] for row in rows] == list(range(limit or ROWS))
    assert [line["row_index"] for line in lines] == [str(row["row_index"]) for row in rows]
    assert lines[0] == {
        "rank": "1",
        "row_index": "0",
        "sample_key": "row-0",
        "label": "cat",
        "likeliest": "dog",
        "margin": "-1.0",
        "kept": "False",
        "suspicion": "1.0",
    }


def test_the_list_is_saved_as_the_published_file(
    ted: Ted, succeeded: Callable[..., str], settings: Settings, tmp_path: Path
) -> None:
    ted("suspects", succeeded(), "--output", str(tmp_path / "list.parquet"))

    (published,) = settings.artifacts.rglob("suspects.parquet")
    assert (tmp_path / "list.parquet").read_bytes() == published.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--output", "list.txt"), "must end in .parquet, .csv or .json"),
        (("--output", "list.parquet", "--limit", "3"), "a Parquet file has all rows"),
    ],
)
def test_a_form_that_there_is_not_is_refused(ted: Ted, arguments: tuple[str, ...], says: str) -> None:
    printed = ted("suspects", "job_1", *arguments, status=2)

    assert says in " ".join(printed.replace("│", " ").split())


def test_a_request_that_fails_leaves_no_file(ted: Ted, tmp_path: Path) -> None:
    ted("suspects", "job_" + 28 * "0", "--output", str(tmp_path / "list.csv"), status=1)

    assert not (tmp_path / "list.csv").exists()
