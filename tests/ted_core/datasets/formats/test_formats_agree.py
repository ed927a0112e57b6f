"""The same rows are the same samples, whatever format they are stored in."""

import csv
import gzip
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ted_core.datasets import Dialogues, Limits, Samples, Texts, identify
from tests.ted_core.datasets.files import (
    DIALOGUES,
    IMAGES,
    TABLE,
    TEXTS,
    arrow_file,
    arrow_stream,
    image,
    jsonl,
    loaded,
    parquet,
    saved_to_disk,
    spec,
)
from tests.ted_core.datasets.formats.test_tar import archive

ROWS = 7
PIXELS = np.random.default_rng(0).integers(0, 256, (ROWS, 6, 5, 3), dtype=np.uint8)
LABELS = ["cat", "dog", "cat", "emu", "dog", "emu", "cat"]
KEYS = [f"{number:03}" for number in (3, 1, 2, 7, 5, 4, 6)]
COLUMNS: Mapping[str, Mapping[str, Any]] = {
    IMAGES: {"image": [image(pixels) for pixels in PIXELS], "label": LABELS, "sample_key": KEYS},
    TABLE: {
        "age": [31, 42, 25, 67, 18, 50, 39],
        "height": [1.75, 1.5, 2.0, 1.625, 1.875, 1.25, 1.75],
        "member": [True, False, True, True, False, False, True],
        "city": ["Rome", "Oslo", "Rome", "Lima, Peru", "Oslo", "Rome", "Lima, Peru"],
        "label": LABELS,
        "sample_key": KEYS,
    },
    TEXTS: {
        "text": ["good", 'a "fine"\nfilm', "2024-01-31", "naïve", "it, was", "42", "bad"],
        "label": LABELS,
        "sample_key": KEYS,
    },
    DIALOGUES: {
        "prompt": [f"What is {row} + {row}?" for row in range(ROWS)],
        "response": [f"It is {2 * row}." for row in range(ROWS)],
        "sample_key": KEYS,
    },
}


def delimited(path: Path, **columns: Any) -> Path:
    """The rows as Python's own CSV writer puts them, which Arrow has to understand."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerows([columns.keys(), *zip(*columns.values(), strict=True)])
    return path


def json_array(path: Path, **columns: Any) -> Path:
    """The rows as one array of objects, indented as people have it."""
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    path.write_text(json.dumps(rows, indent=4))
    return path


def zipped(write: Callable[..., Path]) -> Callable[..., Path]:
    def written(path: Path, **columns: Any) -> Path:
        plain = write(path, **columns)
        packed = plain.with_name(f"{plain.name}.gz")
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        return packed

    return written


def in_parts(write: Callable[..., Path]) -> Callable[..., Path]:
    """A pattern that two files match."""

    def written(path: Path, **columns: Any) -> Path:
        for number, rows in enumerate((slice(0, 4), slice(4, ROWS))):
            part = path.with_name(f"{path.stem}-{number}{path.suffix}")
            write(part, **{name: values[rows] for name, values in columns.items()})
        return path.with_name(f"{path.stem}-*{path.suffix}")

    return written


def tarred(path: Path, *, label: list[str], sample_key: list[str], **inputs: list[bytes] | list[str]) -> Path:
    (name, values), *_ = inputs.items()
    suffix = {"image": "png", "text": "txt"}[name]
    contents = [value if isinstance(value, bytes) else value.encode() for value in values]
    files = [
        (f"{key}.{ending}", content)
        for key, value, class_name in zip(sample_key, contents, label, strict=True)
        for ending, content in ((suffix, value), ("cls", class_name.encode()))
    ]
    return archive(path, files)


ROW_FORMATS: Mapping[str, tuple[str, str, Callable[..., Path]]] = {
    "Parquet": ("parquet", "data.parquet", parquet),
    "Parquet files": ("parquet", "data.parquet", in_parts(parquet)),
    "JSON Lines": ("jsonl", "data.jsonl", jsonl),
    "JSON Lines files": ("jsonl", "data.jsonl", in_parts(jsonl)),
    "compressed JSON Lines": ("jsonl", "data.jsonl", zipped(jsonl)),
    "CSV": ("csv", "data.csv", delimited),
    "CSV files": ("csv", "data.csv", in_parts(delimited)),
    "TSV": ("tsv", "data.tsv", delimited),
    "compressed TSV": ("csv", "data.tsv", zipped(delimited)),
    "JSON": ("json", "data.json", json_array),
    "JSON files": ("json", "data.json", in_parts(json_array)),
    "compressed JSON": ("json", "data.json", zipped(json_array)),
    "Arrow file": ("arrow", "data.arrow", arrow_file),
    "Arrow stream": ("arrow", "data.arrow", arrow_stream),
    "Hugging Face folder": ("hf", "data", saved_to_disk),
    "WebDataset": ("webdataset", "data.tar", tarred),
}
TEXTUAL = ("jsonl", "json", "csv", "tsv")
CHOICES: Mapping[str, Mapping[str, Any]] = {name: {"quoting": True} for name in ROW_FORMATS if "TSV" in name}
"""What Python's writer quotes has to be asked for where tabs separate."""
CASES = [
    pytest.param(task, name, id=f"{task} in {name}")
    for task in COLUMNS
    for name, (form, *_) in ROW_FORMATS.items()
    if not (task == IMAGES and form in TEXTUAL) and not (task in (TABLE, DIALOGUES) and form == "webdataset")
]


def facts(samples: Samples) -> dict[str, Any]:
    """All that a job sees of its samples."""
    keys = samples.sample_key.to_pylist() if samples.sample_key is not None else None
    inputs: Any = samples.inputs
    if isinstance(inputs, Texts):
        inputs = [part.to_pylist() for part in inputs.parts]
    elif isinstance(inputs, Dialogues):
        inputs = inputs.turns.to_pylist()
    else:
        inputs = (inputs.dtype, inputs.tolist())
    return {
        "inputs": inputs,
        "labels": (samples.labels.dtype, samples.labels.tolist()),
        "classes": samples.classes,
        "rows": (samples.row_index.dtype, samples.row_index.tolist(), samples.rows),
        "keys": keys,
    }


@pytest.mark.parametrize(("task", "name"), CASES)
def test_the_same_rows_are_the_same_samples(tmp_path: Path, task: str, name: str) -> None:
    expected = facts(loaded(parquet(tmp_path / "expected.parquet", **COLUMNS[task]), task=task))
    form, file, write = ROW_FORMATS[name]

    path = write(tmp_path / file, **COLUMNS[task])

    assert facts(loaded(path, format=form, task=task, **CHOICES.get(name, {}))) == expected
    assert expected["keys"] == KEYS


@pytest.mark.parametrize(("task", "name"), CASES)
def test_what_has_to_lie_in_a_file_is_the_same_too_and_found_again(tmp_path: Path, task: str, name: str) -> None:
    form, file, write = ROW_FORMATS[name]
    path = write(tmp_path / file, **COLUMNS[task])
    choices = {"format": form, "task": task} | CHOICES.get(name, {})
    expected = facts(loaded(path, **choices))
    limits = Limits(memory_bytes=1, cache=tmp_path / "cache", identity="these rows")

    decoded, cached = (loaded(path, limits=limits, **choices) for _ in range(2))

    assert facts(decoded) == facts(cached) == expected
    assert len(list((tmp_path / "cache").iterdir())) == (task in (IMAGES, TABLE))


def test_images_in_folders_by_class_agree_up_to_their_order(tmp_path: Path) -> None:
    expected = loaded(parquet(tmp_path / "expected.parquet", **COLUMNS[IMAGES]), task=IMAGES)
    for pixels, label, key in zip(PIXELS, LABELS, KEYS, strict=True):
        (tmp_path / "data" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / label / f"{key}.png").write_bytes(image(pixels))

    samples = loaded(tmp_path / "data", format="image-folder", task=IMAGES)

    order = sorted(range(ROWS), key=lambda row: (LABELS[row], KEYS[row]))
    np.testing.assert_array_equal(samples.inputs, expected.inputs[order])
    assert samples.labels.tolist() == expected.labels[order].tolist()
    assert samples.sample_key is not None
    assert samples.sample_key.to_pylist() == [f"{LABELS[row]}/{KEYS[row]}.png" for row in order]


def test_arrays_agree_but_for_the_ids_that_they_lack(tmp_path: Path) -> None:
    columns = {name: COLUMNS[TABLE][name] for name in ("age", "height", "member", "label")}
    expected = facts(loaded(parquet(tmp_path / "expected.parquet", **columns)))
    numbers = np.column_stack([columns[name] for name in ("age", "height", "member")])
    np.savez(tmp_path / "data.npz", x=numbers, y=np.array(LABELS))

    in_a_file = Limits(memory_bytes=100, cache=tmp_path)
    for limits in (None, in_a_file):
        assert facts(loaded(tmp_path / "data.npz", format="npz", limits=limits)) == expected


@pytest.mark.parametrize("name", ROW_FORMATS)
def test_every_file_of_every_format_counts_towards_the_datasets_identity(tmp_path: Path, name: str) -> None:
    form, file, write = ROW_FORMATS[name]
    path = write(tmp_path / file, **COLUMNS[IMAGES if form in ("parquet", "arrow", "hf", "webdataset") else TABLE])
    task = TABLE if form in TEXTUAL else IMAGES

    identity = identify(spec(path, format=form, task=task), roots=[tmp_path])

    assert identity.rows == ROWS
    assert len(identity.shards) == (2 if "files" in name or form == "hf" else 1)
    assert all(shard.rows for shard in identity.shards)


def test_what_arrow_stores_in_other_ways_is_the_same_text(tmp_path: Path) -> None:
    texts = ["one", "two", "one", "three"]
    stored = [pa.array(texts, kind) for kind in (pa.string(), pa.large_string(), pa.string_view())]
    stored.append(pa.array(texts).dictionary_encode())

    for number, column in enumerate(stored):
        path = arrow_file(tmp_path / f"{number}.arrow", text=column, label=[0, 1, 0, 1])
        inputs = loaded(path, format="arrow", task=TEXTS).inputs
        assert isinstance(inputs, Texts)
        assert inputs.parts[0].type == pa.string()
        assert inputs.parts[0].to_pylist() == texts
