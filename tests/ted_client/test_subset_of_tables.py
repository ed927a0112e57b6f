"""Frames, tables and streams of every library are the manifest's rows, or refused."""

import gc
import io
import multiprocessing
import tarfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import webdataset as wds
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset

from ted_client.subset import retained
from ted_core.errors import ManifestMismatch, SettingUnsuited
from ted_core.results.manifest_writer import write_manifest
from tests.ted_core.datasets.files import parquet
from tests.ted_core.datasets.manifests import manifest_of
from tests.ted_core.results.decided import KEPT, ROWS, decided, provenance

KEYS = [f"row-{row}" for row in range(ROWS)]
WEIGHTS = [0.5, 0.5, 1.0, 2.0]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A manifest of eight rows with keys, of which four were kept with known probabilities."""
    data = parquet(tmp_path / "data.parquet", x=[float(row) for row in range(ROWS)], label=[0, 1] * (ROWS // 2))
    probability = np.array([0.5, 0.8, 0.8, 0.4, 0.5, 0.5, 0.5, 0.2], np.float32)
    drawn = replace(decided(), inclusion_probability=probability)
    return write_manifest(tmp_path / "out", drawn, provenance=provenance(data)).manifest


@pytest.fixture
def keyless(tmp_path: Path) -> Path:
    """A manifest of twelve rows in three files, without keys."""
    (tmp_path / "parts").mkdir()
    for part in range(3):
        numbers = range(4 * part, 4 * part + 4)
        parquet(tmp_path / "parts" / f"{part}.parquet", x=[float(n) for n in numbers], label=[n % 2 for n in numbers])
    return manifest_of(tmp_path / "parts", tmp_path / "keyless")


def rows_of(manifest: Path) -> list[int]:
    rows: list[int] = pa.parquet.read_table(manifest)["row_index"].to_pylist()
    return rows


# --- tables -----------------------------------------------------------------------------------------------------------


def of_polars(columns: dict[str, list[Any]]) -> Any:
    return pl.DataFrame(columns)


def of_duckdb(columns: dict[str, list[Any]]) -> Any:
    return duckdb.connect().from_arrow(pa.table(columns))


TABLES: dict[str, tuple[Callable[[dict[str, list[Any]]], Any], Callable[[Any], dict[str, list[Any]]]]] = {
    "pandas": (
        lambda columns: pd.DataFrame(columns).set_index(pd.Index([*range(len(columns[next(iter(columns))]))][::-1])),
        lambda frame: frame.to_dict("list"),
    ),
    "polars": (of_polars, lambda frame: frame.to_dict(as_series=False)),
    "polars, lazily": (lambda columns: of_polars(columns).lazy(), lambda lazy: lazy.collect().to_dict(as_series=False)),
    "arrow": (pa.table, lambda table: table.to_pydict()),
    "duckdb": (of_duckdb, lambda relation: relation.to_arrow_table().to_pydict()),
    "datasets": (datasets.Dataset.from_dict, lambda dataset: dataset.to_dict()),
}


@pytest.mark.parametrize("library", TABLES)
def test_a_table_s_retained_rows_are_a_table_of_the_same_library(manifest: Path, library: str) -> None:
    make, read = TABLES[library]

    chosen = retained(make({"id": KEYS, "x": list(range(ROWS))}), manifest)

    assert type(chosen) is type(make({"id": KEYS}))
    assert read(chosen) == {"id": [KEYS[row] for row in KEPT], "x": list(KEPT)}


@pytest.mark.parametrize("library", TABLES)
def test_a_table_gets_the_weights_as_a_column(manifest: Path, library: str) -> None:
    make, read = TABLES[library]

    chosen = read(retained(make({"x": list(range(ROWS))}), manifest, weights=True))

    assert (chosen["x"], chosen["weight"]) == (list(KEPT), WEIGHTS)
    with pytest.raises(SettingUnsuited, match="column 'weight' of its own"):
        retained(make({"weight": list(range(ROWS))}), manifest, weights=True)


@pytest.mark.parametrize("library", TABLES)
def test_a_table_of_other_rows_is_refused(manifest: Path, library: str) -> None:
    make, read = TABLES[library]
    swapped = [KEYS[row] for row in (0, 1, 5, 3, 4, 2, 6, 7)]

    with pytest.raises(ManifestMismatch, match="Row 2 of the dataset is 'row-5', in the manifest 'row-2'"):
        retained(make({"id": swapped}), manifest)
    with pytest.raises(ManifestMismatch, match="Row 2"):
        retained(make({"name": swapped}), manifest, keys="name")
    with pytest.raises(ManifestMismatch, match="Row 2 of the dataset is of class dog, in the manifest of cat"):
        retained(make({"label": ["cat", "dog", "dog", "cat", "dog", "cat", "dog", "cat"]}), manifest)
    with pytest.raises(ManifestMismatch, match="has 7 rows, not 8"):
        retained(make({"id": KEYS[:7]}), manifest, verify=False)
    assert len(next(iter(read(retained(make({"id": swapped}), manifest, verify=False)).values()))) == len(KEPT)


def test_a_hugging_face_dataset_stays_one_that_maps_and_knows_its_features(manifest: Path) -> None:
    rows = datasets.Dataset.from_dict({"id": KEYS, "label": [0, 1, 0, 0, 1, 0, 1, 0]})
    rows = rows.cast_column("label", datasets.ClassLabel(names=["cat", "dog"]))

    chosen = retained(rows, manifest)

    assert chosen.features["label"].names == ["cat", "dog"]
    assert chosen.map(lambda row: {"twice": 2 * row["label"]})["twice"][:] == [2, 0, 0, 0]
    loader = DataLoader(chosen.with_format("torch"), num_workers=2, multiprocessing_context="spawn")
    assert [batch["id"][0] for batch in loader] == [KEYS[row] for row in KEPT]


def test_what_has_no_rows_is_refused_by_its_type(manifest: Path) -> None:
    with pytest.raises(TypeError, match="generator has no rows that can be numbered"):
        retained((row for row in range(ROWS)), manifest)


# --- streams of Hugging Face ------------------------------------------------------------------------------------------


def stream(columns: dict[str, list[Any]], shards: int = 1) -> Any:
    return datasets.Dataset.from_dict(columns).to_iterable_dataset(num_shards=shards)


@pytest.mark.parametrize("shards", [1, 3])
def test_a_stream_is_filtered_by_key_however_it_is_shuffled(manifest: Path, shards: int) -> None:
    rows = stream({"id": KEYS, "x": list(range(ROWS))}, shards).shuffle(seed=3, buffer_size=4)

    chosen = retained(rows, manifest, weights=True)

    pairs = sorted((row["x"], row["weight"]) for row in chosen)
    assert pairs == list(zip(KEPT, WEIGHTS, strict=True))


@pytest.mark.parametrize("shards", [1, 3])
def test_a_stream_without_keys_is_counted_in_its_shards_by_several_workers_too(keyless: Path, shards: int) -> None:
    rows = stream({"x": list(range(12))}, shards).with_format("torch")

    chosen = retained(rows, keyless)

    assert sorted(int(row["x"]) for row in chosen) == rows_of(keyless)
    loader = DataLoader(chosen, batch_size=None, num_workers=2)
    assert sorted(int(row["x"]) for row in loader) == rows_of(keyless)


def test_a_stream_that_is_counted_keeps_its_features_and_its_format(keyless: Path) -> None:
    pictures = [Image.new("L", (2, 2), row) for row in range(12)]
    rows = datasets.Dataset.from_dict({"image": pictures, "x": list(range(12))}).to_iterable_dataset(3)

    chosen = retained(rows.with_format("numpy"), keyless, weights=False)

    assert isinstance(chosen.features["image"], datasets.Image)
    assert [int(row["image"][0, 0]) for row in chosen] == rows_of(keyless)


def test_a_stream_of_other_shards_or_rows_is_refused(keyless: Path) -> None:
    with pytest.raises(ManifestMismatch, match="The stream has 2 shards, and the manifest counts rows in 3 files"):
        retained(stream({"x": list(range(12))}, 2), keyless)
    with pytest.raises(ManifestMismatch, match="Shard 0 of the stream has 11 rows, not 12"):
        list(retained(stream({"x": list(range(11))}), keyless))
    with pytest.raises(ManifestMismatch, match="holds no keys"):
        retained(stream({"x": list(range(12))}), keyless, keys="x")


def test_a_stream_of_other_keys_is_refused_once_as_many_samples_were_seen_as_there_are_rows(manifest: Path) -> None:
    with pytest.raises(ManifestMismatch, match="None of 8 samples has a key that the manifest retains"):
        list(retained(stream({"id": [f"other-{row}" for row in range(ROWS)]}), manifest))


# --- WebDataset, and torch's streams ----------------------------------------------------------------------------------


def archive(path: Path, keys: list[str]) -> str:
    with tarfile.open(path, "w") as tar:
        for key in keys:
            file = tarfile.TarInfo(f"{key}.txt")
            file.size = len(key)
            tar.addfile(file, io.BytesIO(key.encode()))
    return str(path)


def test_a_webdataset_is_filtered_behind_any_stage_and_goes_on_with_others(manifest: Path, tmp_path: Path) -> None:
    urls = [archive(tmp_path / f"{part}.tar", KEYS[4 * part : 4 * part + 4]) for part in range(2)]
    samples = wds.WebDataset(urls, shardshuffle=False).shuffle(3).decode()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves the files open
        chosen = sorted(retained(samples, manifest, weights=True).to_tuple("__key__", "weight"))
        gc.collect()

    assert chosen == [(KEYS[row], weight) for row, weight in zip(KEPT, WEIGHTS, strict=True)]


class Samples(IterableDataset[dict[str, Any]]):
    """A stream such as Mosaic's: of dictionaries, with a method of its own."""

    epoch = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield from ({"uid": key, "x": row} for row, key in enumerate(KEYS))

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


def test_a_stream_of_torch_is_filtered_by_the_samples_keys(manifest: Path) -> None:
    samples = Samples()
    chosen = retained(samples, manifest)

    loader = DataLoader(
        chosen, batch_size=None, num_workers=1, multiprocessing_context=multiprocessing.get_context("spawn")
    )
    chosen.set_epoch(5)

    assert isinstance(chosen, IterableDataset)
    assert [sample["x"] for sample in loader] == list(KEPT)
    assert samples.epoch == 5


def test_samples_without_a_key_or_manifests_without_keys_are_refused(manifest: Path, keyless: Path) -> None:
    with pytest.raises(ManifestMismatch, match="The stream's samples have no 'name' to know them by"):
        list(retained(Samples(), manifest, keys="name"))
    with pytest.raises(ManifestMismatch, match="by which alone a stream's samples can be known"):
        retained(Samples(), keyless)
    with pytest.raises(TypeError, match="takes the name of the field"):
        retained(Samples(), manifest, keys=KEYS)
