"""The example in docs/proof.md is run."""

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "proof.md"


def test_the_example_ends_with_a_verdict() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    runs, verdict = told.splitlines()[:-1], told.splitlines()[-1]
    assert len(runs) == 9
    assert verdict.startswith(("lossless", "worse", "not proven"))
    assert "mean=" in verdict
