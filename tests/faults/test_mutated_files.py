"""Damaged files of every format are submitted to a real service: each is answered soon, and no process ends.

``TED_FAULT_MUTATIONS`` says how many of each format, ``TED_FAULT_SEED`` which.
"""

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from ted_jobs.settings import Settings
from tests.fuzz.mutations import mutated
from tests.servers.databases import DATABASES, migrated
from tests.service.processes import ApiProcess, api_process
from tests.ted_core.datasets import files
from tests.ted_core.datasets.formats.test_idx import encoded
from tests.ted_core.datasets.formats.test_tar import archive

COUNT = int(os.environ.get("TED_FAULT_MUTATIONS", "50"))
SEED = int(os.environ.get("TED_FAULT_SEED", "16"))
SLOWEST_SECONDS = 5.0
BUSY_SECONDS = 120
ROWS = 60
pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600 * 3)]

LABELS = [row % 2 for row in range(ROWS)]
TABLE = {"x": [row / 7 for row in range(ROWS)], "c": [str(row % 3) for row in range(ROWS)], "label": LABELS}
PIXELS = np.random.default_rng(0).integers(0, 256, (ROWS, 8, 8), dtype=np.uint8)
PICTURES = [files.image(pixels, mode="L") for pixels in PIXELS]


def image_folder(path: Path) -> Path:
    for row, picture in enumerate(PICTURES):
        (path / str(LABELS[row])).mkdir(parents=True, exist_ok=True)
        (path / str(LABELS[row]) / f"{row}.png").write_bytes(picture)
    return path


def arrays(path: Path) -> Path:
    np.savez_compressed(path, x=PIXELS, y=np.array(LABELS))
    return path


def idx_folder(path: Path) -> Path:
    path.mkdir()
    (path / "train-images-idx3-ubyte").write_bytes(encoded(PIXELS))
    (path / "train-labels-idx1-ubyte").write_bytes(encoded(np.array(LABELS, np.uint8)))
    return path


def shards(path: Path) -> Path:
    contents = zip(PICTURES, LABELS, strict=True)
    named = enumerate(contents)
    members = [(f"{row}.{end}", part) for row, pair in named for end, part in zip(("png", "cls"), pair, strict=True)]
    return archive(path, [(name, part if isinstance(part, bytes) else str(part).encode()) for name, part in members])


def csv_file(path: Path) -> Path:
    rows = zip(*TABLE.values(), strict=True)
    return files.lines(path, ",".join(TABLE), *(",".join(map(str, row)) for row in rows))


FORMATS: Mapping[str, tuple[str, Callable[[Path], Path], str]] = {
    "parquet": ("data.parquet", lambda path: files.parquet(path, **TABLE), files.TABLE),
    "jsonl": ("data.jsonl", lambda path: files.jsonl(path, **TABLE), files.TABLE),
    "csv": ("data.csv", csv_file, files.TABLE),
    "arrow": ("data.arrow", lambda path: files.arrow_file(path, **TABLE), files.TABLE),
    "hf": ("data", lambda path: files.saved_to_disk(path, **TABLE), files.TABLE),
    "image-folder": ("data", image_folder, files.IMAGES),
    "webdataset": ("data.tar", shards, files.IMAGES),
    "npz": ("data.npz", arrays, files.IMAGES),
    "idx": ("data", idx_folder, files.IMAGES),
}
PROXIES = {files.TABLE: "mlp", files.IMAGES: "cnn"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    return path


@pytest.fixture
def api(tmp_path: Path, data: Path) -> Iterator[ApiProcess]:
    """A service of its own process, which may read ``data``."""
    home = tmp_path / "home"
    home.mkdir()
    with DATABASES["sqlite"](home) as url, migrated(url):
        settings = Settings(home=home, database_url=url, dataset_roots=(data,), auth="open")
        with api_process(settings, log=home / "api.log") as api:
            yield api


@pytest.mark.parametrize("form", FORMATS)
def test_no_damaged_file_ends_the_service_or_keeps_it_busy(form: str, api: ApiProcess, data: Path) -> None:
    name, write, task = FORMATS[form]
    folder = data / form
    folder.mkdir()
    path = write(folder / name)
    body = {
        "dataset": {"uri": str(path), "format": form, "task": task},
        "proxy": {"name": PROXIES[task], "epochs": 4},
        "plan": {"keep_ratio": 0.5, "q": 1, "rounds": 2},
    }
    assert api.process
    process_id = api.process.pid

    with httpx.Client(base_url=api.url, timeout=60) as client:
        assert answer(client, body)[0] == 200, "the whole dataset is taken"
        for number, (seconds, status) in enumerate(damaged_answers(client, body, path, form=form)):
            assert api.process.poll() is None, f"mutation {number} of seed {SEED} ended the service"
            assert status in (200, 202, 422), f"mutation {number} of seed {SEED}"
            assert seconds < SLOWEST_SECONDS, f"mutation {number} of seed {SEED}"

        assert client.get("/healthz").status_code == 200
    assert (api.process.pid, api.process.poll()) == (process_id, None)


def damaged_answers(
    client: httpx.Client, body: Mapping[str, Any], path: Path, *, form: str
) -> Iterator[tuple[float, int]]:
    """How long each answer took, and its status; one of the dataset's files is damaged for it, and then repaired."""
    chance = random.Random(f"{SEED} {form}")  # noqa: S311 - damage, not a secret
    members = sorted(member for member in path.rglob("*") if member.is_file()) if path.is_dir() else [path]
    for _ in range(COUNT):
        member = chance.choice(members)
        whole = member.read_bytes()
        member.write_bytes(mutated(whole, chance))
        status, seconds = answer(client, body)
        yield seconds, status
        member.write_bytes(whole)


def answer(client: httpx.Client, body: Mapping[str, Any]) -> tuple[int, float]:
    """The status and how long it took; a service that is busy is asked again when it says so."""
    end = time.monotonic() + BUSY_SECONDS
    while True:
        start = time.monotonic()
        response = client.post("/v1/jobs", params={"validate_only": True}, json=body)
        seconds = time.monotonic() - start
        if response.status_code != 503 or time.monotonic() > end:
            return response.status_code, seconds
        time.sleep(float(response.headers["Retry-After"]))
