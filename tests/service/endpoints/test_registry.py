"""Names for datasets and proxies: given once, used by jobs, and forgotten without harm."""

import os
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from ted_jobs import registry
from ted_jobs.registry import RegistrationStore
from tests.service.conftest import Json, on_both_databases


@pytest.fixture
def digits(data: Path) -> Json:
    """What gives a dataset the name digits."""
    return {"name": "digits", "uri": f"{data}/images.parquet", "task": "image-classification"}


def job(**sections: Json) -> Json:
    right = {"dataset": {"name": "digits"}, "proxy": {"name": "cnn"}, "plan": {"keep_ratio": 0.6}}
    return right | sections


@on_both_databases
def test_a_dataset_is_described_at_registration_and_later(client: TestClient, digits: Json) -> None:
    named = client.post("/v1/datasets", json=digits)

    assert (named.status_code, named.headers["Location"]) == (201, "/v1/datasets/digits")
    described = client.get(named.headers["Location"]).json()
    assert described == named.json()
    assert (described["object"], described["name"], described["changed"]) == ("dataset", "digits", False)
    assert described["reference"]["uri"] == digits["uri"]
    assert described["rows"] > 0
    assert "label" in described["columns"]


@on_both_databases
def test_a_job_may_name_a_registered_dataset(client: TestClient, digits: Json) -> None:
    client.post("/v1/datasets", json=digits)

    by_name = client.post("/v1/jobs", json=job())

    spelled_out = client.post("/v1/jobs", json=job(dataset={key: digits[key] for key in ("uri", "task")}))
    assert by_name.status_code == spelled_out.status_code == 202
    assert by_name.json()["dataset"] == spelled_out.json()["dataset"]


def test_a_replay_is_answered_even_if_the_datasets_name_is_gone(client: TestClient, digits: Json) -> None:
    client.post("/v1/datasets", json=digits)
    first = client.post("/v1/jobs", json=job(), headers={"Idempotency-Key": "once"})
    assert client.delete("/v1/datasets/digits").status_code == 204

    again = client.post("/v1/jobs", json=job(), headers={"Idempotency-Key": "once"})

    assert again.json()["id"] == first.json()["id"]
    assert client.post("/v1/jobs", json=job()).status_code == 422


def test_a_changed_or_missing_dataset_is_reported(client: TestClient, digits: Json, data: Path) -> None:
    moving = data / "moving.parquet"
    copyfile(data / "images.parquet", moving)
    client.post("/v1/datasets", json=digits | {"uri": str(moving)})

    os.utime(moving, (1, 1))
    changed = client.get("/v1/datasets/digits").json()["changed"]
    moving.unlink()
    gone = client.get("/v1/datasets/digits").json()["changed"]

    assert (changed, gone) == (True, None)


@on_both_databases
def test_names_are_listed_in_order_page_by_page(client: TestClient, digits: Json) -> None:
    for name in ("c", "a", "b"):
        client.post("/v1/datasets", json=digits | {"name": name})

    first = client.get("/v1/datasets", params={"limit": 2}).json()
    second = client.get("/v1/datasets", params={"limit": 2, "after": first["next"]}).json()

    assert [one["name"] for one in first["data"] + second["data"]] == ["a", "b", "c"]
    assert (first["has_more"], second["has_more"], second["next"]) == (True, False, None)


@on_both_databases
def test_a_name_is_registered_once(client: TestClient, digits: Json, must_refuse: Callable[..., None]) -> None:
    client.post("/v1/datasets", json=digits)

    must_refuse(client.post("/v1/datasets", json=digits), code="name_taken", field="name", says="digits", status=409)


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"name": "no/slash"}, "invalid_request", "name"),
        ({"name": ""}, "invalid_request", "name"),
        ({"name": "../../etc"}, "invalid_request", "name"),
        ({"name": "x" * 65}, "invalid_request", "name"),
        ({"colour": "red"}, "invalid_request", "colour"),
        ({"uri": "/etc/passwd"}, "dataset_not_allowed", "dataset.uri"),
        ({"target": "missing"}, "unknown_column", "dataset.target"),
    ],
)
def test_an_unusable_dataset_cannot_be_registered(
    client: TestClient, digits: Json, must_refuse: Callable[..., None], change: Json, code: str, field: str
) -> None:
    must_refuse(client.post("/v1/datasets", json=digits | change), code=code, field=field, says="")


@pytest.mark.parametrize(
    ("dataset", "code", "field"),
    [
        ({"name": "nobody"}, "unknown_dataset", "dataset.name"),
        ({"name": "digits", "image_size": 8}, "invalid_request", "dataset.image_size"),
        ({"name": 7}, "invalid_request", "dataset.name"),
    ],
)
def test_a_job_with_an_invalid_name_is_refused(
    client: TestClient, digits: Json, must_refuse: Callable[..., None], dataset: Json, code: str, field: str
) -> None:
    client.post("/v1/datasets", json=digits)

    answer = client.post("/v1/jobs", json=job(dataset=dataset))

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert field in {error["field"] for error in problem["errors"]}


@pytest.mark.parametrize(
    "path", ["/v1/datasets/nobody", "/v1/proxies/nobody", "/v1/datasets/%00", "/v1/proxies/cnn%20"]
)
def test_an_unknown_name_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404
    assert client.delete(path).status_code == 404


def test_the_installed_proxies_are_listed_with_their_defaults(client: TestClient) -> None:
    proxies = {proxy["name"]: proxy for proxy in client.get("/v1/proxies").json()["data"]}

    assert set(proxies) == {"mlp", "cnn", "resnet18", "resnet9", "frozen-encoder", "encoder", "lora"}
    assert proxies["mlp"]["takes"] == ["image", "vector"]
    assert proxies["cnn"]["defaults"]["epochs"] == 12
    assert {proxy["origin"] for proxy in proxies.values()} == {"built-in"}
    assert client.get("/v1/proxies/cnn").json() == proxies["cnn"]


@on_both_databases
def test_fields_beside_a_registered_proxy_name_override_its_settings(client: TestClient, digits: Json) -> None:
    client.post("/v1/datasets", json=digits)
    named = client.post("/v1/proxies", json={"name": "quick", "proxy": {"name": "cnn", "epochs": 4, "batch_size": 16}})

    submitted = client.post("/v1/jobs", json=job(proxy={"name": "quick", "epochs": 5}))

    assert (named.status_code, named.json()["origin"]) == (201, "registered")
    proxy = submitted.json()["proxy"]
    assert (proxy["name"], proxy["epochs"], proxy["batch_size"]) == ("cnn", 5, 16)
    assert client.get("/v1/proxies").json()["data"][-1] == client.get("/v1/proxies/quick").json() == named.json()
    assert client.delete("/v1/proxies/quick").status_code == 204
    assert client.post("/v1/jobs", json=job(proxy={"name": "quick"})).json()["code"] == "unknown_proxy"


def test_the_name_of_an_installed_proxy_cannot_be_taken(client: TestClient, must_refuse: Callable[..., None]) -> None:
    taken = client.post("/v1/proxies", json={"name": "mlp", "proxy": {"name": "cnn"}})

    must_refuse(taken, code="name_taken", field="name", says="mlp", status=409)
    assert client.delete("/v1/proxies/mlp").status_code == 404


def test_the_number_of_names_is_limited(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MOST_NAMES", 2)
    names = RegistrationStore(engine)
    for name in ("a", "b"):
        names.add("dataset", name, document={}, facts={}, tenant="one")

    with pytest.raises(registry.TooManyNames):
        names.add("dataset", "c", document={}, facts={}, tenant="one")

    names.add("dataset", "a", document={}, facts={}, tenant="another")
    names.add("proxy", "a", document={}, facts={}, tenant="one")
