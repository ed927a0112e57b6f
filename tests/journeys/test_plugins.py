"""The example package, installed by pip: what it adds works like the built-in parts, and nothing else is loaded."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "plugin"
JOB = """
import sys
from pathlib import Path
from ted_core.datasets import DatasetSpec, load
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.proxies.build import build, parameter_count
from ted_core.selection.prune import prune

data = Path(sys.argv[1])
spec = DatasetSpec(uri=str(data), format="ndjson", task="smoothed-classification", input=["x", "y"])
samples = load(spec, roots=[data])
proxy = ProxySpec(name="linear")
*_, final = prune(samples, PruningPlan(keep_ratio=0.5), proxy=proxy)
model = build(resolve_proxy(proxy), samples, seed=0)
print(int(final.retained.sum()), samples.task, parameter_count(model))
"""
REFUSED = """
from pydantic import ValidationError
from ted_core.datasets import DatasetSpec

try:
    DatasetSpec(uri="/data", format="pickle", task="smoothed-classification")
except ValidationError as error:
    print(error.errors()[0]["msg"])
"""
API = """
import sys
from service.endpoints.proxies import installed_names
from service.schemas.registry import Proxy

print([Proxy.installed(name).name for name in installed_names()][-1], "torch" in sys.modules)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that pip has installed the example into."""
    work = tmp_path_factory.mktemp("plugin")
    source, target = work / "source", work / "site"
    for file in EXAMPLE.rglob("*.*"):
        if file.is_file() and "__pycache__" not in file.parts:
            copy = source / file.relative_to(EXAMPLE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True)
    return target


def output_of(code: str, *arguments: str, installed: Path | None) -> str:
    """Return what the code prints, run with or without the example installed."""
    path = os.pathsep.join(map(str, [ROOT, *([installed] if installed else [])]))
    completed = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout.strip()


def test_a_job_uses_the_packages_format_task_and_proxy(installed: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [{"x": float(x), "y": float(y), "label": int(x > y)} for x, y in rng.normal(size=(40, 2))]
    for part in range(2):
        lines = rows[part::2]
        (tmp_path / f"{part}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in lines))

    assert output_of(JOB, str(tmp_path), installed=installed) == "20 smoothed-classification 6"


def test_the_api_lists_an_installed_proxy_without_loading_torch(installed: Path) -> None:
    assert output_of(API, installed=installed) == "linear False"
    assert output_of(API, installed=None) == "lora False"


def test_an_unknown_format_is_refused_with_the_names_of_the_installed_ones(installed: Path) -> None:
    assert "'pickle' is not among parquet, " in output_of(REFUSED, installed=installed)
    assert output_of(REFUSED, installed=installed).endswith("idx, ndjson")
    assert "ndjson" not in output_of(REFUSED, installed=None)


def test_the_plugins_page_shows_code_of_the_example_package() -> None:
    source = "".join(file.read_text() for file in [EXAMPLE / "pyproject.toml", *EXAMPLE.rglob("*.py")])
    blocks = re.findall(r"```(?:python|toml)\n(.*?)```", (ROOT / "docs" / "plugins.md").read_text(), re.DOTALL)

    assert len(blocks) == 4
    assert all(block in source for block in blocks)
