"""A job whose model or batches cannot fit is refused at once, with the field that helps; its memory is estimated."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from ted_core.memory_plan import IDLE_BYTES
from ted_jobs.settings import Settings
from tests.service.conftest import Json
from tests.ted_core.datasets.files import image
from tests.ted_core.proxies.sparse_models import sparse_encoder

GIB = 1 << 30


@pytest.fixture
def ceiling() -> int | None:
    return 4 * GIB


@pytest.fixture
def settings(settings: Settings, ceiling: int | None, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"runner_memory_ceiling": ceiling, "model_roots": (tmp_path / "models",)})


@pytest.fixture
def texts(data: Path) -> Json:
    """A dataset of texts."""
    path = data / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": f"Line {row}", "label": row % 2}) + "\n" for row in range(100)))
    return {"uri": str(path), "format": "jsonl", "task": "text-classification"}


@pytest.fixture
def arrays(data: Path) -> Callable[..., str]:
    """The URI of an archive with so many images or vectors of this shape."""

    def archive(rows: int, *shape: int) -> str:
        path = data / f"{'x'.join(map(str, (rows, *shape)))}.npz"
        kind = np.uint8 if len(shape) > 1 else np.float32
        np.savez_compressed(path, x=np.zeros((rows, *shape), kind), y=np.arange(rows) % 2)
        return str(path)

    return archive


def refused(client: TestClient, body: Json) -> tuple[str, str]:
    """The code, and the field that helps."""
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    return problem["code"], problem["errors"][0]["field"]


def test_enlarged_images_that_make_a_perceptron_too_large_are_refused(
    client: TestClient, submission: Callable[..., Json], rows: Callable[[], dict[str, int]]
) -> None:
    body = submission(dataset={"image_size": 1024}, proxy={"name": "mlp"})

    assert refused(client, body) == ("model_too_large", "dataset.image_size")
    assert set(rows().values()) == {0}


def test_images_as_they_are_that_make_a_perceptron_too_large_are_refused(
    client: TestClient, submission: Callable[..., Json], arrays: Callable[..., str]
) -> None:
    dataset = {"uri": arrays(20, 600, 600, 3), "format": "npz"}

    assert refused(client, submission(dataset=dataset, proxy={"name": "mlp"})) == ("model_too_large", "proxy.name")
    assert client.post("/v1/jobs", json=submission(dataset=dataset, plan={"method": "random"})).status_code == 202


def test_encoded_images_that_make_a_perceptron_too_large_are_refused_by_the_first_of_them(
    client: TestClient, submission: Callable[..., Json], data: Path
) -> None:
    for number, label in enumerate(["cat", "dog"] * 10):
        path = data / "pets" / label / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image(size=(600, 600) if number == 0 else (8, 8)))
    dataset = {"uri": str(data / "pets"), "format": "image-folder"}
    smaller = dataset | {"image_size": 32}

    assert refused(client, submission(dataset=dataset, proxy={"name": "mlp"})) == (
        "model_too_large",
        "dataset.image_size",
    )
    assert client.post("/v1/jobs", json=submission(dataset=smaller, proxy={"name": "mlp"})).status_code == 202


def test_a_batch_that_is_too_large_is_refused_with_one_that_fits(
    client: TestClient, submission: Callable[..., Json], arrays: Callable[..., str]
) -> None:
    dataset = {"uri": arrays(5000, 32, 32), "format": "npz"}
    body = submission(dataset=dataset, proxy={"name": "resnet18", "batch_size": 4096})

    answer = client.post("/v1/jobs", json=body).json()

    assert answer["code"] == "model_too_large"
    assert answer["errors"][0]["field"] == "proxy.batch_size"
    fitting = int(answer["detail"].split("one of ")[1].split()[0])
    accepted = submission(dataset=dataset, proxy={"name": "resnet18", "batch_size": fitting})
    assert client.post("/v1/jobs", json=accepted).status_code == 202


def test_a_pretrained_model_that_is_too_large_is_refused(
    client: TestClient, submission: Callable[..., Json], texts: Json, tmp_path: Path
) -> None:
    sparse_encoder(tmp_path / "models" / "large", 8192)
    sparse_encoder(tmp_path / "models" / "small", 64)

    def body(proxy: str, model: str, **plan: str) -> Json:
        return submission(dataset=texts, proxy={"name": proxy, "model": model}, plan=plan)

    assert refused(client, body("encoder", "large")) == ("model_too_large", "proxy.model")
    accepted = [body("frozen-encoder", "large"), body("encoder", "large", method="random"), body("encoder", "small")]
    assert [client.post("/v1/jobs", json=job).status_code for job in accepted] == [202, 202, 202]


def test_the_memory_of_a_pretrained_model_is_estimated(
    client: TestClient, submission: Callable[..., Json], texts: Json, tmp_path: Path
) -> None:
    sparse_encoder(tmp_path / "models" / "medium", 2048)
    body = submission(dataset=texts, proxy={"name": "encoder", "model": "medium"})

    answer = client.post("/v1/jobs", params={"validate_only": True}, json=body).json()

    weights = 4 * (2 * 2048 + 1000) * 2048
    assert 9 * weights < answer["peak_memory_bytes"] - IDLE_BYTES < 20 * weights


def test_training_the_last_block_takes_less_memory_and_more_blocks_than_there_are_are_refused(
    client: TestClient, submission: Callable[..., Json], texts: Json, tmp_path: Path
) -> None:
    sparse_encoder(tmp_path / "models" / "medium", 2048)

    def estimated(blocks: int | None) -> Json:
        body = submission(dataset=texts, proxy={"name": "encoder", "model": "medium", "train_blocks": blocks})
        answer: Json = client.post("/v1/jobs", params={"validate_only": True}, json=body).json()
        return answer

    whole, last, beyond = map(estimated, (None, 1, 3))

    assert last["peak_memory_bytes"] < 0.8 * whole["peak_memory_bytes"]
    assert last["proxy"]["train_blocks"] == 1
    assert beyond["code"] == "too_many_blocks"
    assert "A train_blocks of 3, where medium has 2 blocks" in beyond["detail"]
    assert [one["field"] for one in beyond["errors"]] == ["proxy.train_blocks"]


def test_a_model_with_a_forged_header_is_refused(
    client: TestClient,
    submission: Callable[..., Json],
    texts: Json,
    tmp_path: Path,
) -> None:
    folder = sparse_encoder(tmp_path / "models" / "forged", 64)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    body = submission(dataset=texts, proxy={"name": "encoder", "model": "forged"})

    assert refused(client, body) == ("unknown_model", "proxy.model")


@pytest.mark.parametrize("ceiling", [None])
def test_batches_are_left_to_workers_of_unknown_memory(
    client: TestClient, submission: Callable[..., Json], arrays: Callable[..., str]
) -> None:
    dataset = {"uri": arrays(5000, 96, 96), "format": "npz"}
    body = submission(dataset=dataset, proxy={"name": "resnet18", "batch_size": 4096})

    assert client.post("/v1/jobs", json=body).status_code == 202


def test_memory_is_estimated_before_any_job_has_run(
    client: TestClient, submission: Callable[..., Json], arrays: Callable[..., str]
) -> None:
    def estimated(*shape: int, task: str, proxy: str) -> int:
        dataset = {"uri": arrays(100, *shape), "format": "npz", "task": task}
        body = submission(dataset=dataset, proxy={"name": proxy})
        answer = client.post("/v1/jobs", params={"validate_only": True}, json=body).json()
        return answer["peak_memory_bytes"] - IDLE_BYTES

    weights = 4 * (1000 + 1) * 512
    assert 10 * weights < estimated(1000, task="tabular-classification", proxy="mlp") < 20 * weights
    images = [estimated(side, side, task="image-classification", proxy="cnn") for side in (16, 32)]
    assert 2 * images[0] < images[1] < 4 * images[0]


def test_images_of_one_pixel_are_refused_where_the_headers_show_it(
    client: TestClient, submission: Callable[..., Json], arrays: Callable[..., str]
) -> None:
    dataset = {"uri": arrays(40, 1, 1), "format": "npz"}

    assert refused(client, submission(dataset=dataset, proxy={"name": "resnet18"})) == ("proxy_mismatch", "proxy.name")


def test_what_would_be_augmented_must_be_images(client: TestClient, submission: Callable[..., Json]) -> None:
    table = {"task": "tabular-classification"}
    body = submission("numbers.parquet", dataset=table, proxy={"name": "mlp", "augment": True})

    assert refused(client, body) == ("setting_unsuited", "proxy.augment")
