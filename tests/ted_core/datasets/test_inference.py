"""A dataset's format is told by names and first bytes, a wrong one is refused with the right one's name."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

from ted_core.datasets import DatasetSpec, inspect
from ted_core.datasets.inference import infer_format, start_of
from ted_core.datasets.sources.uri import locate
from ted_core.errors import DatasetNotFound, DatasetUnreadable, TedError
from tests.ted_core.datasets.files import (
    IMAGES,
    TABLE,
    TEXTS,
    arrow_file,
    arrow_stream,
    image,
    inspected,
    jsonl,
    lines,
    loaded,
    parquet,
    refused_on_sight,
    saved_to_disk,
    spec,
)
from tests.ted_core.datasets.formats.test_idx import LABELS, PIXELS, encoded
from tests.ted_core.datasets.formats.test_tar import archive

COLUMNS = {"x": [1.5, 2.5, 3.5], "label": [0, 1, 0]}


def table(path: Path, **columns: Any) -> Path:
    csv.write_csv(pa.table(columns), path)
    return path


def arrays(path: Path, **columns: Any) -> Path:
    with path.open("wb") as file:
        np.savez(file, x=np.array(columns["x"])[:, None], y=np.array(columns["label"]))
    return path


def tar(path: Path, **_: Any) -> Path:
    return archive(path, [(f"{row}.{end}", content) for row in range(3) for end, content in files_of(row)])


def files_of(row: int) -> list[tuple[str, bytes]]:
    return [("png", image(row)), ("cls", str(row % 2).encode())]


def packed(write: Callable[..., Path], pack: Callable[[bytes], bytes] = gzip.compress) -> Callable[..., Path]:
    def written(path: Path, **columns: Any) -> Path:
        plain = write(path.with_name("plain"), **columns)
        path.write_bytes(pack(plain.read_bytes()))
        plain.unlink()
        return path

    return written


WRITERS: Mapping[str, tuple[Callable[..., Path], str]] = {
    "Parquet": (parquet, "parquet"),
    "Arrow file": (arrow_file, "arrow"),
    "Arrow stream": (arrow_stream, "arrow"),
    "JSON Lines": (jsonl, "jsonl"),
    "JSON Lines, gzipped": (packed(jsonl), "jsonl"),
    "CSV": (table, "csv"),
    "CSV in bzip2": (packed(table, bz2.compress), "csv"),
    "NumPy archive": (arrays, "npz"),
    "tar": (tar, "webdataset"),
    "tar, gzipped": (packed(tar), "webdataset"),
}


def task_of(form: str) -> str:
    return IMAGES if form == "webdataset" else TABLE


def form_of(path: Path, **choices: Any) -> str | None:
    understood = inspected(path, **choices).understood
    return understood.format if understood else None


# --- single files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["data", "data.bin", "part-00000", "DATA.V2"])
@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_whose_name_tells_nothing_is_known_by_its_first_bytes(tmp_path: Path, kind: str, name: str) -> None:
    write, form = WRITERS[kind]

    path = write(tmp_path / name, **COLUMNS)

    assert form_of(path, task=task_of(form)) == form
    assert loaded(path, task=task_of(form)).rows == 3


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.csv.gz", "a.jsonl", "a.npz", "a.arrow", "a.tar", "a.tsv"])
@pytest.mark.parametrize("kind", ["Parquet", "Arrow file", "Arrow stream", "NumPy archive", "tar", "tar, gzipped"])
def test_bytes_that_tell_one_format_outweigh_the_name(tmp_path: Path, kind: str, name: str) -> None:
    write, form = WRITERS[kind]

    assert form_of(write(tmp_path / name, **COLUMNS), task=task_of(form)) == form


@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        ("a.csv", '{"label",x\n0,1\n', "csv"),
        ("a.JSONL", ' {"x": 1, "label": 0}\n{"x": 2, "label": 1}\n', "jsonl"),
        ("a.ndjson", '{"x": 1, "label": 0}\n', "jsonl"),
        ("a.csv", "x,label\n1,0\n", "csv"),
        ("a.txt", '\N{BYTE ORDER MARK}{"x": 1, "label": 0}\n', "jsonl"),
        ("a.data", "x,label\n1,0\n", "csv"),
        ("a.data", "text, or\tlabel\nb, c\t0\n", "tsv"),
    ],
)
def test_what_a_text_looks_like_counts_where_its_name_tells_nothing(
    tmp_path: Path, name: str, content: str, form: str
) -> None:
    (tmp_path / name).write_text(content)

    assert infer_format(locate(f"{tmp_path}/{name}", roots=[tmp_path]), spec(tmp_path / name)) == form


@pytest.mark.parametrize("content", [b"", b"\0" * 40, b"just a text\n", b"\xff\xfe\xfd", bytes(range(1, 200))])
def test_what_nothing_tells_is_refused_with_the_formats_that_there_are(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data").write_bytes(content)

    error = refused_on_sight(DatasetUnreadable, tmp_path / "data")

    assert error.field == "dataset.format"
    assert "set dataset.format to one of parquet, jsonl, " in error.fact


def zipped(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, "x,label\n1,0\n")
    return buffer.getvalue()


FOREIGN = [
    (zipped("data.csv"), "ZIP archive; unpack it"),
    (lzma.compress(b"x,label\n1,0\n"), "compressed with xz; use gzip, bzip2 or zstd"),
    (b"\x04\x22\x4d\x18abc", "LZ4"),
    (b"7z\xbc\xaf\x27\x1c\0\4", "7z"),
    (b"Rar!\x1a\x07\1\0", "RAR"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"\x93NUMPY\1\0v\0{'descr'", "write inputs and labels together as .npz"),
    (b"FEA1....", "Feather file of version 1"),
    (b"SQLite format 3\0", "SQLite"),
    (gzip.compress(gzip.compress(b"x,label\n1,0\n", mtime=0), mtime=0), "compressed twice; decompress it once"),
]


@pytest.mark.parametrize(("content", "says"), FOREIGN)
@pytest.mark.parametrize("name", ["a", "a.csv", "a.csv.zip", "a.jsonl", "a.parquet", "a.tsv.xz"])
@pytest.mark.parametrize("named", [None, "csv", "jsonl", "parquet"])
def test_what_is_packed_otherwise_is_refused_with_what_to_do(
    tmp_path: Path, content: bytes, says: str, name: str, named: str | None
) -> None:
    (tmp_path / name).write_bytes(content)

    error = refused_on_sight(DatasetUnreadable, tmp_path / name, format=named)

    assert error.field == "dataset.format"
    assert says in error.fact
    assert error.fact.isprintable()


def test_a_single_image_and_a_single_array_of_bytes_are_known_and_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(image())
    (tmp_path / "a").write_bytes(encoded(PIXELS))

    assert "should hold one folder per class" in refused_on_sight(DatasetUnreadable, tmp_path / "a.png").fact
    assert "name the folder that holds images and labels" in refused_on_sight(DatasetUnreadable, tmp_path / "a").fact


# --- a format that is named -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("named", ["parquet", "arrow", "jsonl", "csv", "npz", "webdataset"])
def test_a_wrong_format_is_refused_with_the_right_one(tmp_path: Path, kind: str, named: str) -> None:
    write, form = WRITERS[kind]
    path = write(tmp_path / "data", **COLUMNS)

    if named == form:
        assert form_of(path, format=named, task=task_of(form)) == form
    elif {named, form} == {"csv", "jsonl"} and form == "csv":
        refused_on_sight(DatasetUnreadable, path, format=named)  # a table's first name might be in braces
    else:
        error = refused_on_sight(DatasetUnreadable, path, format=named, task=task_of(form))
        assert error.field == "dataset.format"
        assert error.fact.endswith(f"; set dataset.format to {form}")


def test_a_wrong_format_is_refused_in_a_folder_too(tmp_path: Path) -> None:
    parquet(tmp_path / "a.jsonl", **COLUMNS)
    parquet(tmp_path / "b.jsonl", **COLUMNS)

    assert (
        "a.jsonl is not JSON Lines but a Parquet file"
        in refused_on_sight(DatasetUnreadable, tmp_path, format="jsonl").fact
    )


# --- folders ----------------------------------------------------------------------------------------------------------

README = [("README.md", b"about"), ("LICENSE", b"free"), ("_SUCCESS", b""), ("dataset_infos.json", b"{}")]


@pytest.mark.parametrize("kind", ["Parquet", "Arrow file", "Arrow stream", "JSON Lines", "CSV"])
def test_a_folder_is_known_by_its_files_whatever_documents_them(tmp_path: Path, kind: str) -> None:
    write, form = WRITERS[kind]
    suffix = {"parquet": ".parquet", "arrow": ".arrow", "jsonl": ".jsonl", "csv": ".csv"}[form]
    for name, content in README:
        (tmp_path / name).write_bytes(content)
    for part in (1, 2):
        write(tmp_path / f"{part}{suffix}", **COLUMNS)

    assert form_of(tmp_path) == form
    assert inspected(tmp_path).warnings == ()
    assert {one.name for one in inspected(tmp_path).understood.passed_over} == {name for name, _ in README}


def test_a_folder_of_two_formats_is_refused_with_both(tmp_path: Path) -> None:
    table(tmp_path / "a.csv", **COLUMNS)
    for name in "bc":
        parquet(tmp_path / f"{name}.parquet", **COLUMNS)

    error = refused_on_sight(DatasetUnreadable, tmp_path)

    assert error.field == "dataset.format"
    assert "several formats: parquet (2), csv (1)" in error.fact
    assert inspected(tmp_path, format="csv").rows == 3
    assert refused_on_sight(DatasetUnreadable, tmp_path / "*").field == "dataset.format"


def test_an_image_folder_is_known_with_a_list_of_its_images_beside(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(image())
    lines(tmp_path / "labels.csv", "file,label", "cat/0.png,cat")

    assert form_of(tmp_path, task=IMAGES) == "image-folder"
    assert form_of(tmp_path, task=TEXTS, input="file", format=None) == "csv"


def test_an_image_folder_is_known_at_any_depth(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "all" / name / "deep").mkdir(parents=True)
        (tmp_path / "all" / name / "deep" / "0.jfif").write_bytes(image(kind="JPEG"))

    assert form_of(tmp_path / "all", task=IMAGES) == "image-folder"


def test_a_folder_of_hugging_face_is_known(tmp_path: Path) -> None:
    saved_to_disk(tmp_path / "train", **COLUMNS)
    saved_to_disk(tmp_path / "test", **COLUMNS)

    assert form_of(tmp_path / "train") == "hf"
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert form_of(tmp_path, split="train") == "hf"


def test_a_folder_of_idx_is_known(tmp_path: Path) -> None:
    (tmp_path / "train-images.idx3-ubyte").write_bytes(encoded(PIXELS))
    (tmp_path / "train-labels.idx1-ubyte").write_bytes(encoded(LABELS))

    assert form_of(tmp_path, task=IMAGES) == "idx"


def test_a_pattern_is_known_by_the_names_or_bytes_of_what_it_describes(tmp_path: Path) -> None:
    for part in (1, 2):
        jsonl(tmp_path / f"part-{part}", **COLUMNS)
        parquet(tmp_path / f"{part}.parquet", **COLUMNS)

    assert form_of(tmp_path / "part-*") == "jsonl"
    assert inspected(tmp_path / "part-*").rows == 6
    assert form_of(tmp_path / "*.parquet") == "parquet"
    refused_on_sight(DatasetNotFound, tmp_path / "shard-*")


def test_a_folder_of_files_without_suffixes_is_refused_with_a_pattern(tmp_path: Path) -> None:
    for part in (1, 2):
        parquet(tmp_path / f"part-{part}", **COLUMNS)

    error = refused_on_sight(DatasetUnreadable, tmp_path)

    assert error.fact.endswith(f"for files without such a suffix, name a pattern, such as {tmp_path}/p*")
    assert inspected(tmp_path / "p*").rows == 6


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert "holds no file that can be read as parquet, " in refused_on_sight(DatasetUnreadable, tmp_path).fact


def test_a_link_to_the_outside_tells_nothing_of_where_it_leads(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = parquet(tmp_path_factory.mktemp("outside") / "secret", **COLUMNS)
    (tmp_path / "link").symlink_to(outside)

    with pytest.raises(TedError) as refusal:
        inspect(DatasetSpec(uri=str(tmp_path), task=TABLE), roots=[tmp_path])

    assert "parquet file" not in refusal.value.fact.lower()
    assert start_of(locate(str(tmp_path), roots=[tmp_path]).children()[0]) is None
