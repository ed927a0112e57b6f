"""Every page under docs/families holds a request; with small data and tiny models the real service answers it."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ted_core.results.manifest import verify
from tests.servers.stacks import Up, ted_up
from tests.ted_core.proxies.pretrained.language_models import tiny_language_model
from tests.ted_core.proxies.pretrained.models import tiny_encoder

PAGES = Path(__file__).parents[2] / "docs" / "families"
ROWS = 48
CHANCE = np.random.default_rng(0)


def reviews(path: Path) -> None:
    words = {"good": ["great", "fine", "good"], "bad": ["bad", "dull", "poor"]}
    labels = ["good", "bad"] * (ROWS // 2)
    lines = [{"text": f"the film was {CHANCE.choice(words[label])}", "label": label} for label in labels]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def instructions(path: Path) -> None:
    lines = [
        {"instruction": "Add.", "input": f"{n} and {n}", "output": f"The sum is {2 * n}."}
        if n % 2
        else {"instruction": f"Say {n}.", "input": "", "output": f"{n}"}
        for n in range(ROWS)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def flowers(folder: Path) -> None:
    for name, brightness in (("rose", 60), ("tulip", 180)):
        (folder / name).mkdir(parents=True)
        for number in range(ROWS // 2):
            pixels = CHANCE.normal(brightness, 30, (20, 24, 3)).clip(0, 255).astype(np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "JPEG" if number % 2 else "PNG")
            (folder / name / f"{number:04}.{'jpg' if number % 2 else 'png'}").write_bytes(buffer.getvalue())


def customers(path: Path) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["age", "plan", "churned"])
        for number in range(ROWS):
            rows.writerow(["" if number % 7 == 0 else 20 + number, ["basic", "pro"][number % 2], number % 3 == 0])


MADE: dict[str, Callable[[Path], None]] = {
    "text": reviews,
    "language-models": instructions,
    "images": flowers,
    "tables": customers,
}


def request_of(page: str) -> dict[str, Any]:
    """The page's first JSON document, which a reader would copy."""
    block, *_ = re.findall(r"```json\n(.*?)```", (PAGES / f"{page}.md").read_text(), re.DOTALL)
    document: dict[str, Any] = json.loads(block)
    return document


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the pages name, under another root."""
    folder = tmp_path_factory.mktemp("data")
    for page, make in MADE.items():
        make(folder / Path(request_of(page)["dataset"]["uri"]).name)
    return folder


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Iterator[Up]:
    models = tmp_path_factory.mktemp("models")
    tiny_encoder(models / "tiny-encoder")
    tiny_language_model(models / "tiny-language-model")
    with ted_up(tmp_path_factory.mktemp("home"), roots=data, TED_MODEL_ROOTS=str(models)) as running:
        yield running


TINY = {"minilm": "tiny-encoder", "smollm2-135m": "tiny-language-model"}


def test_every_family_has_a_page_with_an_example() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == {*MADE, "formats"}


@pytest.mark.parametrize("page", MADE)
def test_a_pages_request_becomes_a_manifest_of_its_data(page: str, up: Up, data: Path, tmp_path: Path) -> None:
    request = request_of(page)
    path = data / Path(request["dataset"]["uri"]).name
    request["dataset"]["uri"] = str(path)
    if "model" in request["proxy"]:
        request["proxy"]["model"] = TINY[request["proxy"]["model"]]

    job = up.client.wait(up.client.submit(request).id).require_success()

    manifest = verify(up.client.download(job.id, tmp_path / "manifest.parquet"), path)
    assert len(manifest.row_indices) == job.result["rows_kept"] == round(0.6 * ROWS)
    assert manifest.metadata.dataset.task == request["dataset"]["task"]
    assert up.client.report(job.id)["dataset"]["rows"] == ROWS
    assert ("transformers" in manifest.metadata.versions) == ("model" in request["proxy"])
    classes = "Classes, before and after" in up.client.report_page(job.id, tmp_path / "report.html").read_text()
    assert classes == (page != "language-models")
