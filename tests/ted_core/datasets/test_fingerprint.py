"""A dataset is the bytes of its files in row order, wherever they lie and whatever they are called."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from ted_core.datasets import DatasetIdentity, identify
from ted_core.errors import DatasetEmpty, DatasetNotAllowed
from ted_core.storage.file_store import FileStore
from tests.ted_core.datasets.files import IMAGES, parquet, spec
from tests.ted_core.datasets.formats.test_idx import LABELS, PIXELS, encoded

ROWS = (3, 5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    for number, rows in enumerate(ROWS):
        parquet(path / f"part-{number}.parquet", x=np.arange(rows) + number, label=np.arange(rows) % 2)
    return path


def identity(path: Path) -> DatasetIdentity:
    return identify(spec(path), roots=[path.parent])


def test_every_file_is_known_by_name_rows_size_and_digest(folder: Path) -> None:
    dataset = identity(folder)

    assert (dataset.rows, dataset.uri, dataset.format) == (8, str(folder), "parquet")
    for number, shard in enumerate(dataset.shards):
        content = (folder / f"part-{number}.parquet").read_bytes()
        assert (shard.name, shard.rows, shard.bytes) == (f"part-{number}.parquet", ROWS[number], len(content))
        assert shard.sha256 == hashlib.sha256(content).hexdigest()


def test_the_fingerprint_can_be_computed_by_hand(folder: Path) -> None:
    files = [folder / "part-0.parquet", folder / "part-1.parquet"]

    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]

    facts = json.dumps([[rows, digest] for rows, digest in zip(ROWS, digests, strict=True)])
    assert identity(folder).fingerprint == "sha256:" + hashlib.sha256(facts.encode()).hexdigest()


def test_a_dataset_that_was_moved_and_renamed_is_the_same(folder: Path, tmp_path: Path) -> None:
    before = identity(folder).fingerprint

    moved = folder.rename(tmp_path / "elsewhere")
    (moved / "part-0.parquet").rename(moved / "a.parquet")
    (moved / "part-1.parquet").rename(moved / "b.parquet")

    assert identity(moved).fingerprint == before


def test_files_in_another_order_are_another_dataset(folder: Path) -> None:
    before = identity(folder).fingerprint

    (folder / "part-0.parquet").rename(folder / "part-2.parquet")

    assert identity(folder).fingerprint != before


def test_a_single_changed_byte_makes_another_dataset(folder: Path) -> None:
    before = identity(folder)
    content = bytearray((folder / "part-1.parquet").read_bytes())
    content[4] ^= 1
    (folder / "part-1.parquet").write_bytes(content)

    after = identity(folder)

    assert after.fingerprint != before.fingerprint
    assert after.shards[0] == before.shards[0]


def test_a_further_file_makes_another_dataset(folder: Path) -> None:
    before = identity(folder).fingerprint

    parquet(folder / "part-2.parquet", x=np.arange(1), label=np.arange(1))

    assert identity(folder).fingerprint != before


def test_a_file_of_labels_adds_no_rows_but_counts(tmp_path: Path) -> None:
    (tmp_path / "images-idx3").write_bytes(encoded(PIXELS))
    (tmp_path / "labels-idx1").write_bytes(encoded(LABELS))
    dataset = spec(tmp_path, format="idx", task=IMAGES)
    before = identify(dataset, roots=[tmp_path])

    (tmp_path / "labels-idx1").write_bytes(encoded(LABELS[::-1].copy()))

    assert [shard.rows for shard in before.shards] == [6, 0]
    assert before.rows == 6
    assert identify(dataset, roots=[tmp_path]).fingerprint != before.fingerprint


def test_what_may_not_be_read_has_no_identity(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetNotAllowed):
        identify(spec(folder), roots=[tmp_path / "other"])
    with pytest.raises(DatasetEmpty):
        identity(parquet(tmp_path / "empty.parquet", x=np.zeros(0), label=np.zeros(0, int)))


def test_of_many_images_each_is_hashed_in_its_place_and_none_as_an_arrow_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, opened, open_file = tmp_path / "pets", list[str](), FileStore.open
    for number in range(300):
        path = folder / f"class{number % 2}" / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(number.to_bytes(2))
    monkeypatch.setattr(FileStore, "open", lambda store, key: opened.append(key) or open_file(store, key))

    (shard,) = identify(spec(folder, task=IMAGES), roots=[tmp_path]).shards

    in_order = sorted(folder.rglob("*.png"))
    lines = [[path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()] for path in in_order]
    listing = "".join(json.dumps(line) + "\n" for line in lines)
    assert shard.sha256 == hashlib.sha256(listing.encode()).hexdigest()
    assert len(opened) <= 1  # the first, which is looked at
