"""The examples of training run on real digits and a manifest of a real selection."""

import gc
import json
import re
import runpy
import warnings
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ted_cli.demo_data import write_digits
from ted_core.datasets import load
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec
from ted_core.results.explain import decide
from ted_core.results.manifest import read_manifest
from ted_core.results.manifest_writer import write_manifest
from ted_core.results.provenance import Provenance
from ted_core.selection.prune import prune
from tests.ted_core.datasets.files import IMAGES, spec
from tests.ted_core.datasets.formats.test_tar import archive
from tests.ted_core.datasets.manifests import manifest_of
from tests.ted_core.proxies.pretrained.language_models import tiny_language_model

FOLDER = Path(__file__).parents[2] / "examples" / "training"
PLAN = PruningPlan(keep_ratio=0.6, seed=0)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.parquet and what a real selection of its rows left."""
    folder = tmp_path_factory.mktemp("digits")
    train, _ = write_digits(folder)
    facts = read_manifest(manifest_of(train, folder / "facts", task=IMAGES)).metadata
    samples = load(spec(train, task=IMAGES), roots=[folder])
    *_, final = prune(samples, PLAN, proxy=ProxySpec(name="mlp", epochs=6))
    known = facts.model_dump(include=set(Provenance.model_fields)) | {"plan": PLAN.model_dump(mode="json")}
    write_manifest(folder, decide(final, samples, PLAN), provenance=Provenance.model_validate(known))
    return folder


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs an example of this name with these arguments, and returns what it prints. It asks nothing of the network."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def run(script: str, *arguments: Path) -> str:
        for package in re.findall(r"^(?:from|import) (\w+)", (FOLDER / script).read_text(), re.MULTILINE):
            pytest.importorskip(package)
        monkeypatch.setattr("sys.argv", [script, *map(str, arguments)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those are other libraries' own
            runpy.run_path(str(FOLDER / script), run_name="__main__")
            gc.collect()
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("script", ["torch_loader.py", "pandas_scikit_learn.py", "huggingface_trainer.py"])
def test_a_trainer_gets_the_retained_rows(digits: Path, script: str, printed: Callable[..., str]) -> None:
    said = printed(script, digits / "train.parquet", digits / "manifest.parquet")

    assert "trained on 809 of 1348 rows" in said
    recognized = re.search(r"(\d+)% of all", said)
    assert recognized is None or int(recognized[1]) > 85


@pytest.mark.slow
def test_lightning_gets_the_retained_rows(digits: Path, printed: Callable[..., str]) -> None:
    said = printed("lightning_module.py", digits / "train.parquet", digits / "manifest.parquet")

    assert "trained on 809 of 1348 rows" in said


def test_a_stream_yields_the_retained_rows(digits: Path, printed: Callable[..., str]) -> None:
    assert (
        printed("huggingface_stream.py", digits / "train.parquet", digits / "manifest.parquet") == "streamed 809 rows\n"
    )


def test_a_run_prunes_as_the_rounds_did(digits: Path, printed: Callable[..., str]) -> None:
    said = printed("progressive_rounds.py", digits / "train.parquet", digits / "decisions.parquet")

    first, last = map(int, re.findall(r"\d+", said))
    assert first == 1348
    assert 809 <= last < first


def test_a_webdataset_yields_the_retained_samples(digits: Path, tmp_path: Path, printed: Callable[..., str]) -> None:
    rows = pq.read_table(digits / "train.parquet").slice(0, 100).to_pylist()
    (tmp_path / "shards").mkdir()
    for part in range(2):
        samples = [(f"{row:04}", rows[row]) for row in range(50 * part, 50 * part + 50)]
        files = [((f"{key}.png", row["image"]), (f"{key}.cls", str(row["label"]).encode())) for key, row in samples]
        archive(tmp_path / "shards" / f"{part}.tar", [file for both in files for file in both])
    manifest = manifest_of(tmp_path / "shards", tmp_path / "out", task=IMAGES)

    assert printed("webdataset_stream.py", tmp_path / "shards", manifest) == "streamed 50 samples\n"


@pytest.mark.slow
def test_trl_gets_the_retained_conversations(tmp_path: Path, printed: Callable[..., str]) -> None:
    questions = [f"How much is {number} and {number}?" for number in range(20)]
    turns = [
        [{"role": "user", "content": question}, {"role": "assistant", "content": str(2 * number)}]
        for number, question in enumerate(questions)
    ]
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps({"messages": messages}) + "\n" for messages in turns))
    manifest = manifest_of(data, tmp_path / "out", task="causal-lm")

    said = printed("trl_sft.py", data, manifest, tiny_language_model(tmp_path / "model"))

    assert "10 of 20 conversations to train on" in said
