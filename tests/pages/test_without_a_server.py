"""Every example in docs/without-a-server.md is run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from ted_cli.demo_data import write_digits
from ted_jobs.jobs.spec import JobSpec

PAGE = (Path(__file__).parents[2] / "docs" / "without-a-server.md").read_text()
EXAMPLES = re.findall(r"```(python|sh)\n(.*?)```", PAGE, re.DOTALL)
START = {"python": [sys.executable, "-c"], "sh": ["bash", "-euo", "pipefail", "-c"]}


def test_the_examples_do_what_they_say(tmp_path: Path) -> None:
    train, _ = write_digits(tmp_path)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"HOME": str(tmp_path), "PATH": path}

    told = [
        subprocess.run(
            [*START[language], code],
            cwd=train.parent,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout
        for language, code in EXAMPLES
    ]

    assert [language for language, _ in EXAMPLES] == ["sh", "python", "python"]
    assert {"manifest.parquet", "decisions.parquet", "suspects.parquet", "report.json", "report.html"} <= {
        *told[0].split()
    }
    assert "Selection: 1,078 of 1,797 rows kept by mlp" in told[1]
    assert "140 rows to train on" in told[2]
    assert (tmp_path / "sold" / "manifest.parquet").exists()


def test_the_job_file_is_a_job() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)

    assert JobSpec.model_validate(yaml.safe_load(example)).plan.keep_ratio == 0.6
