"""A dataset in an object store is the same as on a disk: rows, identity, refusals."""

import gzip
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ted_core.datasets import DatasetIdentity, DatasetSpec, Limits, Samples, identify, inspect, load
from ted_core.datasets.exchange.owner import Owner
from ted_core.datasets.formats.parquet import batches
from ted_core.datasets.owners.owned_dataset import OwnedDataset
from ted_core.datasets.sources.base import Source
from ted_core.errors import (
    DatasetNotAllowed,
    DatasetNotFound,
    DatasetUnreadable,
    StoreRefused,
    StoreUnavailable,
    TedError,
)
from ted_core.storage import object_store
from ted_core.storage.object_store import ObjectUri
from ted_core.storage.roots import StorageRoot, parse_roots
from tests.servers import object_stores
from tests.ted_core.datasets.files import DIALOGUES, IMAGES, TABLE, TEXTS, image, parquet, spec
from tests.ted_core.datasets.formats.test_formats_agree import COLUMNS, ROW_FORMATS, facts
from tests.ted_core.datasets.formats.test_idx import LABELS, PIXELS, encoded
from tests.ted_core.datasets.owners.meeting import with_owners

ROOTS = parse_roots("s3://datasets")
NOWHERE = object_stores.KEYS | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
TASKS = {
    "webdataset": IMAGES,
    "jsonl": DIALOGUES,
    "json": DIALOGUES,
    "csv": TABLE,
    "tsv": TABLE,
    "hf": TEXTS,
    "arrow": TABLE,
    "parquet": IMAGES,
}


def photos(folder: Path) -> None:
    for name, brightness in (("rose", 10), ("tulip", 200)):
        (folder / name / "deep").mkdir(parents=True)
        (folder / name / "0.png").write_bytes(image(brightness))
        (folder / name / "deep" / "1.png").write_bytes(image(brightness + 1))
        (folder / name / ".hidden.png").write_bytes(b"")


def arrays(path: Path) -> None:
    np.savez(path, x=np.arange(12, dtype=np.float32).reshape(6, 2), y=np.arange(6) % 2)


def digits(folder: Path) -> None:
    folder.mkdir()
    (folder / "train-images-idx3-ubyte").write_bytes(encoded(PIXELS))
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(encoded(LABELS)))


OTHERS: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "image-folder": ("data", photos, IMAGES),
    "npz": ("data.npz", arrays, TABLE),
    "idx": ("data", digits, IMAGES),
}


def must_agree(store: object_stores.Store, folder: Path, name: str, **choices: Any) -> None:
    """What the folder holds under this name is read alike from a copy in the store."""
    copy, roots = store.upload(folder, to=folder.name), parse_roots(f"{store.scheme}://datasets")
    here = spec(folder / name, **choices)
    there = DatasetSpec.model_validate(spec(folder, **choices).model_dump() | {"uri": f"{copy}/{name}"})

    assert facts(load(there, roots=roots)) == facts(load(here, roots=[folder]))
    assert inspect(there, roots=roots).columns == inspect(here, roots=[folder]).columns
    assert identify(there, roots=roots).shards == identify(here, roots=[folder]).shards


@pytest.mark.parametrize("name", ROW_FORMATS)
def test_every_format_of_rows_reads_from_a_store_what_it_reads_from_a_disk(
    any_store: object_stores.Store, tmp_path: Path, name: str
) -> None:
    form, file, put = ROW_FORMATS[name]

    path = put(tmp_path / file, **COLUMNS[TASKS[form]])

    must_agree(any_store, tmp_path, path.name, format=form, task=TASKS[form])


@pytest.mark.parametrize("form", OTHERS)
def test_folders_of_images_and_arrays_are_read_alike_too(
    any_store: object_stores.Store, tmp_path: Path, form: str
) -> None:
    name, put, task = OTHERS[form]

    put(tmp_path / name)

    must_agree(any_store, tmp_path, name, format=form, task=task)


def test_owners_read_from_a_store_what_they_read_from_a_disk(store: object_stores.Store, tmp_path: Path) -> None:
    for number in range(3):
        parquet(tmp_path / f"{number}.parquet", x=[1.0 + number, 2.0], label=["a", f"b{number}"])
    folder = store.upload(tmp_path, to=tmp_path.name)

    def work(owner: Owner) -> tuple[DatasetIdentity, Samples]:
        dataset = OwnedDataset.open(table(folder), roots=ROOTS, owner=owner)
        return dataset.identity, dataset.load(Limits())

    (identity, first), (_, second) = with_owners(2, work)

    whole = load(spec(tmp_path), roots=[tmp_path])
    assert identity.shards == identify(spec(tmp_path), roots=[tmp_path]).shards
    np.testing.assert_array_equal(np.concatenate([first.inputs, second.inputs]), whole.inputs)
    assert (first.labels.tolist(), first.classes) == (whole.labels.tolist(), whole.classes)


# --- names ------------------------------------------------------------------------------------------------------------


def test_what_is_not_in_a_store_is_refused_alike(any_store: object_stores.Store) -> None:
    roots = parse_roots(f"{any_store.scheme}://datasets:{any_store.scheme}://nowhere")

    with pytest.raises(DatasetNotFound):
        rows(f"{any_store.scheme}://datasets/nothing.parquet", roots=roots)
    with pytest.raises((DatasetNotFound, StoreRefused)):
        rows(f"{any_store.scheme}://nowhere/data.parquet", roots=roots)


def table(uri: str) -> DatasetSpec:
    return DatasetSpec(uri=uri, task="tabular-classification")


def rows(uri: str, *, roots: tuple[StorageRoot, ...] = ROOTS) -> int:
    return inspect(table(uri), roots=roots).rows


@pytest.fixture
def folder(store: object_stores.Store, tmp_path: Path) -> str:
    """The URI of a folder with two files, between a hidden one and one of another format."""
    for number, name in enumerate(("part-0.parquet", "part-1.parquet", ".part-2.parquet")):
        parquet(tmp_path / name, x=[1.0] * (number + 1), label=[0] * (number + 1))
    (tmp_path / "notes.txt").write_text("not a table")
    return store.upload(tmp_path, to=tmp_path.name)


def test_a_folder_is_a_prefix_and_may_end_in_a_slash(folder: str) -> None:
    assert rows(folder) == rows(f"{folder}/") == 3


def test_a_pattern_names_objects_in_one_folder(folder: str) -> None:
    assert rows(f"{folder}/part-*") == 3
    assert rows(f"{folder}/*1.parquet") == 2


def test_a_key_that_is_a_file_and_a_folder_is_the_file(store: object_stores.Store, folder: str) -> None:
    store.write(b"", to=f"{folder.rpartition('/')[2]}/part-0.parquet/inside")

    assert rows(f"{folder}/part-0.parquet") == 1
    assert rows(folder) == 3


def test_keys_are_taken_as_they_are_written(store: object_stores.Store, tmp_path: Path) -> None:
    path = parquet(tmp_path / "data.parquet", x=[1.0], label=[0])

    uri = store.upload(path, to="ä b%20c+d&e.parquet")

    assert rows(uri) == 1


@pytest.mark.parametrize(
    "tail", ["/missing.parquet", "/missing/*", "/part-9*", "/part-0.parquet/*", "/part-0.parquet/inside"]
)
def test_what_is_not_there_is_not_found(folder: str, tail: str) -> None:
    with pytest.raises(DatasetNotFound):
        rows(folder + tail)


@pytest.mark.usefixtures("store")
def test_a_bucket_that_is_not_there_is_not_found() -> None:
    with pytest.raises(DatasetNotFound):
        rows("s3://missing/data.parquet", roots=parse_roots("s3://missing"))


def test_a_folder_among_the_matches_is_refused(store: object_stores.Store, folder: str) -> None:
    store.write(b"", to=f"{folder.rpartition('/')[2]}/part-5/inside")

    with pytest.raises(DatasetUnreadable, match="part-5 is no regular file"):
        rows(f"{folder}/part-*")


def test_what_a_folder_of_hugging_face_lists_lies_in_it(store: object_stores.Store, tmp_path: Path) -> None:
    uri = store.write(b'{"_data_files": [{"filename": "../a.arrow"}]}', to=f"{tmp_path.name}/state.json")
    listed = DatasetSpec(uri=uri.rpartition("/")[0], format="hf", task="text-classification")

    with pytest.raises(DatasetUnreadable, match="lies elsewhere"):
        inspect(listed, roots=ROOTS)


def test_keys_that_could_lead_out_of_a_folder_are_passed_over(store: object_stores.Store, tmp_path: Path) -> None:
    photos(tmp_path / "data")
    uri = store.upload(tmp_path, to=tmp_path.name)
    for tail in ("../c/0.png", "rose//1.png"):
        store.write(image(9), to=f"{tmp_path.name}/data/{tail}")

    found = inspect(DatasetSpec(uri=f"{uri}/data", format="image-folder", task="image-classification"), roots=ROOTS)

    assert found.rows == 4


# --- roots ------------------------------------------------------------------------------------------------------------

OUTSIDE = [
    "s3://datasets/allowed-not/data.parquet",
    "s3://datasets/allowed-*",
    "s3://datasets",
    "s3://datasets/",
    "s3://others/allowed/data.parquet",
    "gs://datasets/allowed/data.parquet",
    "s3://datasets/allowed/../secret/data.parquet",
    "s3://datasets/allowed/./data.parquet",
    "s3://datasets/allowed//data.parquet",
    "s3://datasets//allowed/data.parquet",
    "s3://datasets/allowed/%2e%2e/data.parquet",
    "s3://datasets/allowed/data.parquet?versionId=1",
    "s3://datasets/allowed/data.parquet#part",
    "s3://datasets/allowed/data.parquet\n",
    "s3://datasets/allowed\\data.parquet",
    "s3:///allowed/data.parquet",
    "s3://",
    "s3:allowed/data.parquet",
    "s3://key:secret@datasets/allowed/data.parquet",
    "s3://datasets:443/allowed/data.parquet",
]


@pytest.mark.parametrize("uri", OUTSIDE)
def test_what_lies_outside_the_roots_is_refused_before_the_store_is_asked(uri: str) -> None:
    with object_stores.reached(NOWHERE), pytest.raises(DatasetNotAllowed) as refusal:
        rows(uri, roots=parse_roots("s3://datasets/allowed:/"))

    assert refusal.value.field == "dataset.uri"


def test_under_a_root_the_store_is_asked() -> None:
    with object_stores.reached(NOWHERE), pytest.raises(StoreUnavailable):
        rows("s3://datasets/allowed/data.parquet", roots=parse_roots("s3://datasets/allowed/"))


@pytest.mark.parametrize("roots", ["", "/", "s3://datasets/secret"])
def test_a_root_allows_nothing_but_what_lies_in_it(roots: str) -> None:
    with object_stores.reached(NOWHERE), pytest.raises(DatasetNotAllowed, match="outside the allowed folders"):
        rows("s3://datasets/allowed/data.parquet", roots=parse_roots(roots))


def test_a_bucket_as_a_root_allows_no_folder_on_this_machine(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotAllowed):
        rows(str(parquet(tmp_path / "data.parquet", x=[1.0], label=[0])))


# --- troubles ---------------------------------------------------------------------------------------------------------


def met(error: type[TedError]) -> TedError:
    with pytest.raises(error) as refusal:
        rows("s3://datasets/data.parquet")
    assert refusal.value.field == "dataset.uri"
    return refusal.value


@pytest.mark.parametrize("status", [400, 401, 403, 301])
def test_a_store_that_lets_nobody_in_says_who_can_help(status: int) -> None:
    with object_stores.answering(lambda *_: (status, b"")):
        error = met(StoreRefused)

    assert "AWS_ACCESS_KEY_ID" in str(error)
    assert not error.retryable


@pytest.mark.parametrize("status", [500, 503])
def test_a_store_that_is_overworked_is_to_be_asked_again(status: int) -> None:
    with object_stores.answering(lambda *_: (status, b"")):
        assert met(StoreUnavailable).retryable


def test_without_credentials_the_store_refuses(s3: object_stores.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nowhere")
    s3.write(b"private", to="data.parquet")
    without = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": s3.url}

    with object_stores.reached(without):
        met(StoreRefused)


def test_a_store_that_is_not_there_is_unavailable() -> None:
    with object_stores.reached(NOWHERE):
        assert "AWS_ENDPOINT_URL" in str(met(StoreUnavailable))


def test_a_store_that_never_answers_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "SILENT_SECONDS", 1)
    begun = time.monotonic()

    with object_stores.silent():
        met(StoreUnavailable)

    assert time.monotonic() - begun < 20


def test_a_store_that_fails_midway_does_not_pass_for_a_damaged_file() -> None:
    def answer(method: str, _: str) -> tuple[int, bytes]:
        return (200, bytes(1000)) if method == "HEAD" else (503, b"")

    with object_stores.answering(answer):
        met(StoreUnavailable)


# --- what a job reads -------------------------------------------------------------------------------------------------


def test_an_object_that_was_replaced_or_joined_by_another_changes_the_guard(
    store: object_stores.Store, folder: str, tmp_path: Path
) -> None:
    before = inspect(table(folder), roots=ROOTS).change_token
    assert inspect(table(folder), roots=ROOTS).change_token == before

    store.upload(parquet(tmp_path / "more.parquet", x=[1.0], label=[1]), to=f"{tmp_path.name}/part-3.parquet")
    joined = inspect(table(folder), roots=ROOTS).change_token
    store.upload(parquet(tmp_path / "more.parquet", x=[1.0, 2.0], label=[1, 0]), to=f"{tmp_path.name}/part-3.parquet")

    assert len({before, joined, inspect(table(folder), roots=ROOTS).change_token}) == 3


def test_a_batch_is_read_without_the_rest_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    noise = np.random.default_rng(0).random((4, 100_000))
    pq.write_table(pa.table({"x": noise.ravel(), "y": noise.ravel()}), path, row_group_size=100_000, compression="none")
    content, asked = path.read_bytes(), []

    def answer(method: str, wanted: str) -> tuple[int, bytes]:
        if method == "HEAD":
            return 200, content
        begin, end = map(int, wanted.removeprefix("bytes=").split("-"))
        asked.append(end - begin)
        return 206, content[begin : end + 1]

    with object_stores.answering(answer):
        source = Source.at(ObjectUri.parse("s3://datasets/data.parquet"))
        first = next(iter(batches([source], ["x"], DatasetSpec(uri="/", task="tabular-classification"))))

    assert first["x"].to_pylist() == noise.ravel()[: len(first)].tolist()
    assert sum(asked) < len(content) / 4
