"""Owners that each read files of their own understand a dataset as one does that reads them all."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ted_core.datasets import DatasetSpec, Limits, Samples, identify
from ted_core.datasets.exchange.owner import Owner
from ted_core.datasets.owners.owned_dataset import OwnedDataset
from ted_core.datasets.sources.base import Source
from ted_core.distributed.world import World
from ted_core.errors import (
    DatasetChanged,
    MissingValues,
    SettingUnsuited,
    TooFewShards,
    UndecodableImages,
    UnusableInputs,
)
from tests.ted_core.datasets import files
from tests.ted_core.datasets.files import IMAGES, image, parquet
from tests.ted_core.datasets.formats.test_tar import archive
from tests.ted_core.datasets.owners.meeting import with_owners
from tests.ted_core.distributed.ranks import on_ranks

ROWS, SHARDS = 48, 5
READING = ("open", "open_mapped", "open_mapped_stream", "stream")


def columns() -> dict[str, Any]:
    """A table whose columns no part of it shows as all of it does."""
    rng, rows = np.random.default_rng(0), np.arange(ROWS)
    start = 1_704_067_200_000
    return {
        "small": rng.normal(size=ROWS).astype(np.float32),
        "milliseconds": (start + rows * 40 + rng.integers(0, 10, ROWS)).astype(np.int64),
        "colour": [("red", "green", "blue", "grey")[row // 12] for row in rows],
        "counter": rows,
        "text": [f"row {row}" for row in rows],
        "mostly": ["same" if row < 40 else f"other {row}" for row in rows],
        "label": [f"class {row // 10}" for row in rows],
        "id": [f"id {row}" for row in rows],
    }


def table(folder: Path, **changes: Any) -> Path:
    """The table as Parquet files of 15, 5, 10, 6 and 12 rows."""
    folder.mkdir()
    whole, start = pa.table(columns() | changes), 0
    for number, rows in enumerate((15, 5, 10, 6, 12)):
        part = whole.slice(start, rows)
        parquet(folder / f"{number}.parquet", **dict(zip(part.column_names, part.columns, strict=True)))
        start += rows
    return folder


def lists(folder: Path) -> Path:
    vectors = [[1e9 + row, row / 10, -1.0] for row in range(ROWS)]
    return table(folder, vector=pa.array(vectors, pa.list_(pa.float64())))


PICTURES = [image(value, size=(8 + value % 3, 8), mode="L") for value in range(30)]
PICTURES[25] = image(np.full((8, 8, 3), [255, 0, 0], np.uint8))
PICTURES[0] = b"no image"
NAMES = [str(number % 3) for number in range(30)]


def pictures(folder: Path, pictures: Sequence[bytes] = PICTURES) -> Path:
    folder.mkdir()
    for number in range(SHARDS):
        part = slice(6 * number, 6 * number + 6)
        parquet(folder / f"{number}.parquet", image=pictures[part], label=NAMES[part])
    return folder


def archives(folder: Path) -> Path:
    folder.mkdir()
    for number in range(SHARDS):
        rows = range(6 * number, 6 * number + 6)
        members = [
            file for row in rows for file in ((f"{row}.png", PICTURES[row]), (f"{row}.cls", NAMES[row].encode()))
        ]
        archive(folder / f"{number}.tar", members)
    return folder


MAKE: dict[str, tuple[Callable[[Path], Path], dict[str, Any]]] = {
    "a table": (table, {}),
    "a table with lists": (lists, {"input": ["vector", "milliseconds"]}),
    "categories that are named": (table, {"input": ["text", "mostly", "small"]}),
    "pictures": (pictures, {"task": IMAGES}),
    "pictures in archives": (archives, {"task": IMAGES}),
}


def spec_of(folder: Path, **choices: Any) -> DatasetSpec:
    return files.spec(folder, **choices)


def owned(folder: Path, count: int, *, limits: Limits | None = None, **choices: Any) -> list[Samples]:
    """What each of so many owners loads."""

    def work(owner: Owner) -> Samples:
        dataset = OwnedDataset.open(spec_of(folder, **choices), roots=(folder.parent,), owner=owner)
        return dataset.load(limits or Limits(max_undecodable=0.1))

    return with_owners(count, work)


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("name", MAKE)
def test_owners_together_have_what_one_has(name: str, count: int, tmp_path: Path) -> None:
    make, choices = MAKE[name]
    folder = make(tmp_path / "data")
    whole = files.loaded(folder, limits=Limits(max_undecodable=0.1), **choices)

    parts = owned(folder, count, **choices)

    np.testing.assert_array_equal(np.concatenate([part.inputs for part in parts]), whole.inputs)
    for number, part in enumerate(parts):
        np.testing.assert_array_equal(part.labels, whole.labels)
        np.testing.assert_array_equal(part.row_index, whole.row_index)
        assert (part.classes, part.rows, part.sample_key) == (whole.classes, whole.rows, whole.sample_key)
        assert part.ownership
        assert part.ownership.owner == number
        assert part.ownership.starts == (0, *np.cumsum([len(each.inputs) for each in parts]).tolist())
        assert part.columns == whole.columns
    assert {one.code for one in parts[0].warnings} == {one.code for one in whole.warnings}


def test_they_identify_it_as_one_does(tmp_path: Path) -> None:
    folder = table(tmp_path / "data")

    def work(owner: Owner) -> object:
        return OwnedDataset.open(spec_of(folder), roots=(tmp_path,), owner=owner).identity

    assert with_owners(3, work) == [identify(spec_of(folder), roots=[tmp_path])] * 3


@pytest.mark.parametrize("name", ["a table", "pictures in archives"])
def test_each_opens_only_files_of_its_own_besides_headers_that_the_first_one_reads(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, choices = MAKE[name]
    folder, opened = make(tmp_path / "data"), set[str]()
    for method in READING:
        monkeypatch.setattr(Source, method, recorded(getattr(Source, method), opened))

    def work(world: World) -> tuple[set[str], set[str]]:
        owner = Owner(world.rank, world.size, world.exchange)
        dataset = OwnedDataset.open(spec_of(folder, **choices), roots=(tmp_path,), owner=owner)
        at_first = set(opened)
        opened.clear()
        assert dataset.identity.shards
        dataset.load(Limits(max_undecodable=0.1))
        return at_first, opened

    found = on_ranks(4, work, models=1)

    everything = {path.name for path in folder.iterdir()}
    assert [at_first for at_first, _ in found] == [everything, set(), set(), set()]
    read = [names for _, names in found]
    assert all(read)
    assert sorted(name for names in read for name in names) == sorted(everything)


def recorded(method: Callable[..., Any], opened: set[str]) -> Callable[..., Any]:
    """The method, which also notes the file's name."""

    def read(source: Source, *arguments: Any) -> Any:
        opened.add(source.name)
        return method(source, *arguments)

    return read


def test_what_is_decoded_is_found_again_unless_one_owner_misses_it(tmp_path: Path) -> None:
    folder, cache = pictures(tmp_path / "data"), tmp_path / "cache"
    limits = Limits(memory_bytes=1000, max_undecodable=0.1, cache=cache, cache_bytes=1 << 30, identity="these")
    first = owned(folder, 2, limits=limits, task=IMAGES)
    kept = sorted(cache.glob("*.inputs.npy"))

    again = owned(folder, 2, limits=limits, task=IMAGES)
    kept[0].unlink()
    after = owned(folder, 2, limits=limits, task=IMAGES)

    assert len(kept) == 2
    for parts in (again, after):
        assert all(isinstance(part.inputs, np.memmap) for part in parts)
        np.testing.assert_array_equal(np.concatenate([part.inputs for part in parts]), join(first))
    assert {path.name for path in cache.glob("*.inputs.npy")} == {path.name for path in kept}


def join(parts: list[Samples]) -> np.ndarray:
    return np.concatenate([part.inputs for part in parts])


def test_more_owners_than_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TooFewShards, match="6 ranks cannot share 5 files with rows"):
        owned(table(tmp_path / "data"), 6)


def test_text_in_files_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(3):
        files.jsonl(folder / f"{number}.jsonl", x=[1.0, 2.0], label=["a", "b"])

    with pytest.raises(SettingUnsuited, match="sharded with the format jsonl"):
        owned(folder, 2)


def test_owners_that_see_other_files_are_refused(tmp_path: Path) -> None:
    folders = [table(tmp_path / "first"), table(tmp_path / "second")]
    (folders[1] / "4.parquet").unlink()

    def work(owner: Owner) -> object:
        return OwnedDataset.open(spec_of(folders[owner.number]), roots=(tmp_path,), owner=owner)

    with pytest.raises(DatasetChanged):
        with_owners(2, work)


def test_a_missing_value_is_named_by_its_place_in_the_dataset(tmp_path: Path) -> None:
    numbers = [None if row == 47 else float(row % 7) for row in range(ROWS)]

    with pytest.raises(MissingValues, match=r"11 of 4\.parquet|4\.parquet has 1 null"):
        owned(table(tmp_path / "data", small=numbers), 2)


def test_lists_of_other_lengths_with_another_owner_are_refused(tmp_path: Path) -> None:
    vectors = [[1.0] * (2 if row < 40 else 3) for row in range(ROWS)]

    with pytest.raises(UnusableInputs, match="lists of different lengths"):
        owned(table(tmp_path / "data", vector=vectors), 2, input="vector")


def test_images_that_cannot_be_decoded_count_among_those_of_all_owners(tmp_path: Path) -> None:
    broken = [b"no image"] * 6 + PICTURES[6:]
    folder = pictures(tmp_path / "data", broken)

    parts = owned(folder, SHARDS, limits=Limits(max_undecodable=0.2), task=IMAGES)

    assert [len(part.inputs) for part in parts] == [0, 6, 6, 6, 6]
    np.testing.assert_array_equal(
        join(parts), files.loaded(folder, limits=Limits(max_undecodable=0.2), task=IMAGES).inputs
    )
    with pytest.raises(UndecodableImages, match=r"6 of 30 images, first rows: 0 of 0\.parquet"):
        owned(folder, SHARDS, limits=Limits(max_undecodable=0.1), task=IMAGES)
