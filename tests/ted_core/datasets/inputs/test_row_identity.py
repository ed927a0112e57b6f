"""The retained rows, as each format's own reader returns them, have the keys, labels and values of the manifest."""

import csv
import gc
import gzip
import io
import json
import struct
import tarfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset as wds
from pyarrow import ipc

from ted_client.subset import retained
from ted_core.results.manifest import read_manifest, verify
from tests.reference.image_folder import ImageFolder
from tests.ted_core.datasets.files import IMAGES, TABLE, image
from tests.ted_core.datasets.formats.test_idx import encoded
from tests.ted_core.datasets.manifests import manifest_of

CLASSES = ("cat", "dog", "emu")
NAMES = ("part-10", "part-2", "part-1", "Part-3", "part-é")
"""Of files, of which each has its own number of rows."""


class Row(NamedTuple):
    """What a row holds: its key, its class and a number that no other has."""

    key: str
    label: str
    value: int


def rows_of(part: int) -> list[Row]:
    numbers = [100 * part + number for number in range(4 + part)]
    return [Row(f"k{number:04}", CLASSES[number * number % 3], number) for number in numbers]


def columns_of(rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {
        "value": [row.value for row in rows],
        "text": [f'so-called "{row.value}", a text' for row in rows],
        "label": [row.label for row in rows],
        "id": [row.key for row in rows],
    }


Write = Callable[[Path, Sequence[Row]], None]
Read = Callable[[Sequence[Path]], list[Row]]


# --- writers ----------------------------------------------------------------------------------------------------------


def write_parquet(path: Path, rows: Sequence[Row]) -> None:
    pq.write_table(pa.table(columns_of(rows)), path, row_group_size=3)


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t" if ".tsv" in path.name else ",")
    columns = columns_of(rows)
    writer.writerows([columns, *zip(*columns.values(), strict=True)])
    write_text(path, text.getvalue())


def write_lines(path: Path, rows: Sequence[Row]) -> None:
    write_text(path, "".join(json.dumps(row) + "\n" for row in pa.table(columns_of(rows)).to_pylist()))


def write_text(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def write_arrow(path: Path, rows: Sequence[Row]) -> None:
    table = pa.table(columns_of(rows))
    with ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)


def write_stream(path: Path, rows: Sequence[Row]) -> None:
    table = pa.table(columns_of(rows))
    with ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)


def write_tar(path: Path, rows: Sequence[Row]) -> None:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for row in rows:
            picture = image(np.full((2, 2), row.value % 251, np.uint8))
            for suffix, content in {"png": picture, "cls": row.label.encode()}.items():
                member = tarfile.TarInfo(f"{row.key}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


# --- the ecosystem's own readers --------------------------------------------------------------------------------------


def from_pandas(read: Callable[..., pd.DataFrame], **options: Any) -> Read:
    def rows(paths: Sequence[Path]) -> list[Row]:
        frame = pd.concat([read(path, **options) for path in paths], ignore_index=True)
        return [Row(str(row.id), str(row.label), int(row.value)) for row in frame.itertuples()]

    return rows


def from_polars(read: Callable[..., pl.DataFrame], **options: Any) -> Read:
    def rows(paths: Sequence[Path]) -> list[Row]:
        frame = pl.concat([read(path, **options) for path in paths])
        return [Row(*row) for row in frame.select("id", "label", "value").iter_rows()]

    return rows


def from_datasets(read: Callable[..., Any]) -> Read:
    """What Hugging Face datasets makes of a list of files; Arrow files are joined."""

    def rows(paths: Sequence[Path]) -> list[Row]:
        return [Row(row["id"], row["label"], row["value"]) for row in read(list(map(str, paths)))]

    return rows


def joined_streams(paths: Sequence[str]) -> Any:
    return datasets.concatenate_datasets([datasets.Dataset.from_file(path) for path in paths])


def from_webdataset(paths: Sequence[Path]) -> list[Row]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves the files open
        samples = list(wds.WebDataset(list(map(str, paths)), shardshuffle=False).decode("l8", only="png"))
        gc.collect()
    return [Row(sample["__key__"], sample["cls"].decode(), int(sample["png"][0, 0])) for sample in samples]


@dataclass(frozen=True)
class Stored:
    """Rows in a format, and who else reads it."""

    suffix: str
    write: Write
    readers: dict[str, Read]
    task: str = TABLE
    choices: dict[str, Any] = field(default_factory=dict)


CSV_READERS = {
    "pandas": from_pandas(pd.read_csv),
    "polars": from_polars(pl.read_csv),
    "datasets": from_datasets(datasets.Dataset.from_csv),
}
LINES_READERS = {"pandas": from_pandas(pd.read_json, lines=True), "datasets": from_datasets(datasets.Dataset.from_json)}
FORMATS = {
    "Parquet": Stored(
        ".parquet",
        write_parquet,
        {
            "pandas": from_pandas(pd.read_parquet),
            "polars": from_polars(pl.read_parquet),
            "datasets": from_datasets(datasets.Dataset.from_parquet),
        },
    ),
    "CSV": Stored(".csv", write_csv, CSV_READERS),
    "CSV, gzipped": Stored(".csv.gz", write_csv, CSV_READERS),
    "TSV": Stored(
        ".tsv",
        write_csv,
        {"pandas": from_pandas(pd.read_csv, sep="\t"), "polars": from_polars(pl.read_csv, separator="\t")},
        choices={"quoting": True},
    ),
    "JSON Lines": Stored(".jsonl", write_lines, {**LINES_READERS, "polars": from_polars(pl.read_ndjson)}),
    "JSON Lines, gzipped": Stored(".jsonl.gz", write_lines, LINES_READERS),
    "Arrow files": Stored(".arrow", write_arrow, {"polars": from_polars(pl.read_ipc)}),
    "Arrow streams": Stored(
        ".arrow",
        write_stream,
        {"datasets": from_datasets(joined_streams), "polars": from_polars(pl.read_ipc_stream)},
    ),
    "tar": Stored(".tar", write_tar, {"webdataset": from_webdataset}, IMAGES),
    "tar, gzipped": Stored(".tar.gz", write_tar, {"webdataset": from_webdataset}, IMAGES),
}
CASES = [(name, reader) for name, stored in FORMATS.items() for reader in stored.readers]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hugging Face datasets asks no hub, and finds nothing that another test has left."""
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def write_parts(folder: Path, stored: Stored, names: Sequence[str] = NAMES) -> list[Path]:
    """Write a file of each name and return them by name."""
    folder.mkdir(parents=True)
    for part, name in enumerate(names, start=1):
        stored.write(folder / f"{name}{stored.suffix}", rows_of(part))
    return sorted(folder.iterdir())


def must_agree(manifest: Path, rows: Sequence[Row]) -> None:
    """All rows are the decisions', and those at the manifest's row indices are the manifest's."""
    decisions, kept = pq.read_table(manifest.parent / "decisions.parquet"), read_manifest(manifest)
    assert [row.key for row in rows] == decisions["sample_key"].to_pylist()
    assert [row.label for row in rows] == decisions["label"].to_pylist()
    chosen = [rows[index] for index in kept.row_indices]
    assert 0 < len(chosen) < len(rows)
    assert [(row.key, row.label) for row in chosen] == list(
        zip(*kept.table().select(["sample_key", "label"]).to_pydict().values(), strict=True)
    )


def must_hold(path: Path, stored: Stored, rows: Sequence[Row], out: Path, **choices: Any) -> Path:
    """Write a manifest of what lies there and compare it with what a reader has found."""
    if stored.task == TABLE:
        choices |= {"input": "value"}
    manifest = manifest_of(path, out, task=stored.task, **stored.choices, **choices)
    must_agree(manifest, rows)
    assert verify(manifest, path).metadata.dataset.rows == len(rows)
    return manifest


@pytest.mark.parametrize(("name", "reader"), CASES)
def test_a_single_file(tmp_path: Path, name: str, reader: str) -> None:
    stored = FORMATS[name]
    paths = write_parts(tmp_path / "data", stored, ["rows"])

    must_hold(paths[0], stored, stored.readers[reader](paths), tmp_path / "out")


@pytest.mark.parametrize(("name", "reader"), CASES)
def test_a_folder_of_files_in_name_order(tmp_path: Path, name: str, reader: str) -> None:
    stored = FORMATS[name]
    paths = write_parts(tmp_path / "data", stored)

    must_hold(tmp_path / "data", stored, stored.readers[reader](paths), tmp_path / "out")


@pytest.mark.parametrize(("name", "reader"), CASES)
def test_the_files_that_a_pattern_describes(tmp_path: Path, name: str, reader: str) -> None:
    stored = FORMATS[name]
    paths = write_parts(tmp_path / "data", stored)

    chosen = [path for path in paths if path.name.startswith("part-") and "1" in path.name]
    must_hold(tmp_path / "data" / "part-*1*", stored, stored.readers[reader](chosen), tmp_path / "out")


@pytest.mark.parametrize(("name", "reader"), CASES)
def test_a_split(tmp_path: Path, name: str, reader: str) -> None:
    stored = FORMATS[name]
    paths = write_parts(tmp_path / "data", stored, ["train-2", "test-1", "train-10", "validation"])

    chosen = [path for path in paths if path.name.startswith("train")]
    must_hold(tmp_path / "data", stored, stored.readers[reader](chosen), tmp_path / "out", split="train")


@pytest.mark.parametrize(("name", "reader"), CASES)
def test_the_folder_of_a_split(tmp_path: Path, name: str, reader: str) -> None:
    stored = FORMATS[name]
    write_parts(tmp_path / "data" / "test", stored, ["1", "2"])
    paths = write_parts(tmp_path / "data" / "train", stored, ["2", "10"])

    must_hold(tmp_path / "data", stored, stored.readers[reader](paths), tmp_path / "out", split="train")


# --- folders ----------------------------------------------------------------------------------------------------------


def hugging_face(rows: Sequence[Row]) -> datasets.Dataset:
    return datasets.Dataset.from_dict(columns_of(rows))


def test_a_folder_of_hugging_face(tmp_path: Path) -> None:
    hugging_face(rows_of(20)).save_to_disk(tmp_path / "data", num_shards=3)
    stored = datasets.load_from_disk(tmp_path / "data")

    manifest = manifest_of(tmp_path / "data", tmp_path / "out", input="value")

    must_agree(manifest, [Row(row["id"], row["label"], row["value"]) for row in stored])
    kept = retained(stored, manifest)
    assert [row["id"] for row in kept] == read_manifest(manifest).table()["sample_key"].to_pylist()


def test_a_split_of_hugging_face(tmp_path: Path) -> None:
    splits = {"train": hugging_face(rows_of(9)), "test": hugging_face(rows_of(5))}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "data")
    stored = datasets.load_from_disk(tmp_path / "data")["train"]

    manifest = manifest_of(tmp_path / "data", tmp_path / "out", input="value", split="Train")

    must_agree(manifest, [Row(row["id"], row["label"], row["value"]) for row in stored])
    assert verify(manifest, tmp_path / "data").metadata.dataset.split == "Train"


FOLDERS = [("Apple", "Pear", "Pear 2"), ("Grape", "Grape-White", "grape"), ("é", "e", "10", "9"), ("a/b", "a/b c", "d")]


@pytest.mark.parametrize("folders", FOLDERS)
@pytest.mark.parametrize("split", [None, "train"])
def test_a_folder_of_images(tmp_path: Path, folders: tuple[str, ...], split: str | None) -> None:
    root = tmp_path / "data" / "Train" if split else tmp_path / "data"
    for place, folder in enumerate((*folders, f"{folders[0]}/x", f"{folders[0]}/x y")):
        (root / folder).mkdir(parents=True)
        for name in ("2.png", "10.jpg", "a.PNG", "é.png"):
            (root / folder / name).write_bytes(image(place))
    if split:
        (tmp_path / "data" / "Test" / "other").mkdir(parents=True)
        (tmp_path / "data" / "Test" / "other" / "0.png").write_bytes(image(0))
    oracle = ImageFolder(root)

    manifest = manifest_of(tmp_path / "data", tmp_path / "out", task=IMAGES, split=split)

    keys = [str(Path(path).relative_to(root)) for path, _ in oracle.samples]
    must_agree(manifest, [Row(key, oracle.classes[code], 0) for key, code in zip(keys, oracle.targets, strict=True)])
    table = read_manifest(manifest).table()
    kept = retained(oracle, manifest)
    assert [content for content, _ in kept] == [(root / key).read_bytes() for key in table["sample_key"].to_pylist()]


# --- arrays -----------------------------------------------------------------------------------------------------------


def must_have_labels(manifest: Path, labels: Sequence[Any]) -> None:
    decisions, kept = pq.read_table(manifest.parent / "decisions.parquet"), read_manifest(manifest)
    assert [str(label) for label in labels] == decisions["label"].to_pylist()
    assert [str(labels[row]) for row in kept.row_indices] == kept.table()["label"].to_pylist()


def test_arrays_of_numpy(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.arange(24.0).reshape(12, 2), y=np.arange(12) % 5)

    manifest = manifest_of(tmp_path / "data.npz", tmp_path / "out")

    must_have_labels(manifest, np.load(tmp_path / "data.npz")["y"])


@pytest.mark.parametrize("split", [None, "train", "t10k"])
def test_arrays_in_idx(tmp_path: Path, split: str | None) -> None:
    (tmp_path / "data").mkdir()
    for name, rows in (("train", 12), ("t10k", 7)):
        pixels, labels = np.arange(rows * 4, dtype=np.uint8).reshape(rows, 2, 2), np.arange(rows, dtype=np.uint8) % 4
        (tmp_path / "data" / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(encoded(pixels)))
        (tmp_path / "data" / f"{name}-labels-idx1-ubyte").write_bytes(encoded(labels))

    manifest = manifest_of(tmp_path / "data", tmp_path / "out", task=IMAGES, split=split)

    content = (tmp_path / "data" / f"{split or 'train'}-labels-idx1-ubyte").read_bytes()
    (count,) = struct.unpack(">I", content[4:8])
    must_have_labels(manifest, np.frombuffer(content, np.uint8, count, offset=8))
