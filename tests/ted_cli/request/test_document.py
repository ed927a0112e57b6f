"""Jobs in files: JSON or YAML, and nothing in them is understood otherwise than it is written."""

from pathlib import Path

import pytest

from ted_cli.request.document import read_document
from ted_client.errors import ClientError

YAML = """
# a comment
dataset: {uri: train.csv, task: tabular-classification, exclude: [no, on]}
proxy:
  name: mlp
  learning_rate: 1e-3
  epochs: 12
  model: 012
plan: {keep_ratio: 0.6, guard: true, q: null}
metadata: {day: 2026-12-01, country: NO}
"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_yaml_file_says_what_it_looks_like(tmp_path: Path) -> None:
    job = read_document(written(tmp_path, "job.yaml", YAML))

    assert job["dataset"]["exclude"] == ["no", "on"]
    assert job["proxy"] == {"name": "mlp", "learning_rate": 0.001, "epochs": 12, "model": "012"}
    assert job["plan"] == {"keep_ratio": 0.6, "guard": True, "q": None}
    assert job["metadata"] == {"day": "2026-12-01", "country": "NO"}


def test_json_is_read_whatever_the_file_is_called(tmp_path: Path) -> None:
    assert read_document(written(tmp_path, "job", '{"plan": {"seed": 1}}')) == {"plan": {"seed": 1}}
    assert read_document(written(tmp_path, "job.yml", '{"plan": {"seed": 1}}')) == {"plan": {"seed": 1}}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("job.yaml", "plan: {seed: 1, seed: 2}", "'seed' stands there twice"),
        ("job.json", '{"plan": 1, "plan": 2}', "'plan' stands there twice"),
        ("job.yaml", "plan: [", "not a readable job file"),
        ("job.yaml", "plan: !!python/name:os.system x", "not a readable job file"),
        ("job.yaml", "- plan", "must hold one job"),
        ("job.json", "[1]", "must hold one job"),
    ],
)
def test_what_is_no_job_or_says_two_things_is_refused(name: str, text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=reason):
        read_document(written(tmp_path, name, text))
