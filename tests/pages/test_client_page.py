"""Every example in docs/client.md is run against a real service."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ted_cli.demo_data import write_digits
from tests.servers.stacks import ted_up

PAGE = Path(__file__).parents[2] / "docs" / "client.md"
EXAMPLES = re.findall(r"```(python|sh)\n(.*?)```", PAGE.read_text(), re.DOTALL)
START = {"python": [sys.executable, "-c"], "sh": ["bash", "-euo", "pipefail", "-c"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data's folder; the service's home is ``~/.ted`` for whoever takes its parent for the user's."""
    home = tmp_path_factory.mktemp("user")
    train, _ = write_digits(home / "data")
    train.replace(home / "data" / "train.parquet")
    with ted_up(home / ".ted", roots=home / "data"):
        yield home / "data"


def test_the_examples_do_what_they_say(folder: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"HOME": str(folder.parent), "PATH": path}

    told = [
        subprocess.run(
            [*START[language], code],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=True,
        ).stdout
        for language, code in EXAMPLES
    ]

    assert [language for language, _ in EXAMPLES] == [*["python"] * 6, "sh"]
    assert "rows are retained" in told[0]
    assert "809 row indices" in told[0]
    assert "job.succeeded" in told[1]
    assert "rows to train on, the first of them row" in told[2]
    assert "torch.float32 weights of" in told[3]
    assert "70% of the row visits of 12 epochs on all rows; 674 and 472 rows in the last one" in told[4]
    assert "422 invalid_request {'dataset':" in told[5]
    assert "labels look wrong" in told[6]
    assert "would be retained" in told[6]
    assert {"manifest.parquet", "half.parquet", "suspects.csv"} <= {path.name for path in folder.iterdir()}
