"""IDX, the format of MNIST, gzipped or not."""

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ted_core.datasets import DatasetSummary, Limits, Samples
from ted_core.errors import (
    DatasetEmpty,
    DatasetTooLarge,
    DatasetUnreadable,
    SettingUnsuited,
    TedError,
    UnknownColumn,
    UnknownSplit,
    UnusableInputs,
    UnusableLabels,
)
from tests.ted_core.datasets import files
from tests.ted_core.datasets.files import IMAGES

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 4, 5), dtype=np.uint8)
LABELS = np.array([7, 1, 7, 0, 1, 7], np.uint8)


def encoded(values: np.ndarray, *, kind: int = 0x08) -> bytes:
    return struct.pack(f">HBB{values.ndim}I", 0, kind, values.ndim, *values.shape) + values.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images and labels, as MNIST names them."""
    path = tmp_path / "mnist"
    path.mkdir()
    (path / "train-images-idx3-ubyte").write_bytes(encoded(PIXELS))
    (path / "train-labels-idx1-ubyte").write_bytes(encoded(LABELS))
    return path


def loaded(folder: Path, **choices: Any) -> Samples:
    return files.loaded(folder, **{"format": "idx", "task": IMAGES} | choices)


def inspected(folder: Path, **choices: Any) -> DatasetSummary:
    return files.inspected(folder, **{"format": "idx", "task": IMAGES} | choices)


def refused_on_sight(error: type[TedError], folder: Path, **choices: Any) -> TedError:
    return files.refused_on_sight(error, folder, **{"format": "idx", "task": IMAGES} | choices)


def test_images_and_labels_are_read(folder: Path) -> None:
    samples = loaded(folder)

    np.testing.assert_array_equal(samples.inputs[:, 0], PIXELS)
    assert samples.labels.tolist() == [2, 1, 2, 0, 1, 2]
    assert (samples.classes, samples.rows, samples.input_shape) == (("0", "1", "7"), 6, (1, 4, 5))


def test_gzipped_files_are_read_alike(folder: Path) -> None:
    plain = loaded(folder).inputs
    for file in list(folder.iterdir()):
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()

    np.testing.assert_array_equal(loaded(folder).inputs, plain)


def test_beside_a_test_set_the_training_set_is_taken(folder: Path) -> None:
    (folder / "t10k-images-idx3-ubyte").write_bytes(encoded(PIXELS[:2]))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(encoded(LABELS[:2]))

    assert loaded(folder).rows == 6
    assert loaded(folder, input="t10k-images-idx3-ubyte", target="t10k-labels-idx1-ubyte").rows == 2


@pytest.mark.parametrize(("split", "rows"), [("train", 6), ("T10k", 2), ("test", 2), (None, 6)])
def test_a_split_is_chosen_and_the_others_files_are_noted(folder: Path, split: str | None, rows: int) -> None:
    (folder / "t10k-images-idx3-ubyte").write_bytes(encoded(PIXELS[:2]))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(encoded(LABELS[:2])))

    summary = inspected(folder, split=split)

    assert (summary.rows, summary.warnings) == (rows, ())
    assert summary.understood
    assert len(summary.understood.passed_over) == 2
    assert all("which dataset.split may name" in one.reason for one in summary.understood.passed_over)


def test_a_split_that_is_not_there_is_refused_as_is_one_that_a_named_file_is_not_of(folder: Path) -> None:
    assert refused_on_sight(UnknownSplit, folder, split="t10k").field == "dataset.split"
    named = {"input": "train-images-idx3-ubyte", "target": "train-labels-idx1-ubyte"}
    assert refused_on_sight(SettingUnsuited, folder, split="t10k", **named).field == "dataset.split"
    assert inspected(folder, split="train", **named).rows == 6


def test_inspection_tells_rows_and_files(folder: Path) -> None:
    summary = inspected(folder)

    assert (summary.rows, summary.columns) == (6, ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"))


def test_rows_of_bytes_are_a_table(folder: Path) -> None:
    (folder / "features").write_bytes(encoded(PIXELS.reshape(6, 20)))

    samples = loaded(folder, task=files.TABLE, input="features")

    assert samples.inputs.tolist() == PIXELS.reshape(6, 20).tolist()


@pytest.mark.parametrize("choice", ["input", "target"])
@pytest.mark.parametrize("name", ["missing", "../outside"])
def test_a_file_that_is_not_in_the_folder_is_refused_with_those_that_are(folder: Path, choice: str, name: str) -> None:
    (folder.parent / "outside").write_bytes(encoded(PIXELS))

    error = refused_on_sight(UnknownColumn, folder, **{choice: name})

    assert error.field == f"dataset.{choice}"
    assert "train-images-idx3-ubyte, train-labels-idx1-ubyte" in error.fact


def test_which_of_several_files_is_meant_has_to_be_said(folder: Path) -> None:
    (folder / "train-other-images-idx3-ubyte").write_bytes(encoded(PIXELS))

    assert refused_on_sight(UnknownColumn, folder).field == "dataset.input"


def test_a_file_is_no_folder(folder: Path) -> None:
    assert refused_on_sight(DatasetUnreadable, folder / "train-images-idx3-ubyte").field == "dataset.uri"


def test_several_files_cannot_be_the_input(folder: Path) -> None:
    assert refused_on_sight(UnusableInputs, folder, input=["a", "b"]).field == "dataset.input"


def test_several_files_cannot_be_the_target(folder: Path) -> None:
    assert refused_on_sight(UnusableLabels, folder, target=["a", "b"]).field == "dataset.target"


@pytest.mark.parametrize("task", ["text-classification", "causal-lm"])
def test_images_are_no_text(folder: Path, task: str) -> None:
    assert refused_on_sight(UnusableInputs, folder, task=task).field == "dataset.task"


def test_images_are_no_table(folder: Path) -> None:
    assert refused_on_sight(UnusableInputs, folder, task=files.TABLE).field == "dataset.input"


@pytest.mark.parametrize("labels", [LABELS[:5], LABELS[:5, None]])
def test_images_and_labels_must_match(folder: Path, labels: np.ndarray) -> None:
    (folder / "train-labels-idx1-ubyte").write_bytes(encoded(labels))

    assert refused_on_sight(DatasetUnreadable, folder).field == "dataset.uri"


def test_a_dataset_without_rows_is_refused(folder: Path) -> None:
    (folder / "train-images-idx3-ubyte").write_bytes(encoded(PIXELS[:0]))
    (folder / "train-labels-idx1-ubyte").write_bytes(encoded(LABELS[:0]))

    assert refused_on_sight(DatasetEmpty, folder).field == "dataset.uri"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0",
        b"P5 4 5 255\n",
        encoded(PIXELS, kind=0x0D),
        encoded(PIXELS)[:10],
        encoded(np.zeros((1,) * 5, np.uint8)),
    ],
    ids=["empty", "cut", "another format", "floats", "half a header", "five axes"],
)
def test_what_has_no_header_is_refused(folder: Path, content: bytes) -> None:
    (folder / "train-images-idx3-ubyte").write_bytes(content)

    assert refused_on_sight(DatasetUnreadable, folder).field == "dataset.format"


@pytest.mark.parametrize("content", [encoded(PIXELS)[:-1], encoded(PIXELS) + b"\0"], ids=["too short", "too long"])
def test_another_length_than_the_header_announces_is_refused_once_it_is_read(folder: Path, content: bytes) -> None:
    (folder / "train-images-idx3-ubyte").write_bytes(content)

    assert inspected(folder).rows == 6
    assert "damaged" in files.refused(DatasetUnreadable, folder, format="idx", task=IMAGES).fact


def test_more_than_memory_allows_is_refused(folder: Path) -> None:
    too_little = Limits(memory_bytes=PIXELS.size - 1)

    files.refused(DatasetTooLarge, folder, format="idx", task=IMAGES, limits=too_little)
    assert loaded(folder, limits=Limits(memory_bytes=PIXELS.size)).rows == 6


@given(st.data())
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_byte_is_damaged_the_error_is_one_of_ours(folder: Path, data: st.DataObject) -> None:
    content = bytearray(gzip.compress(encoded(PIXELS), mtime=0))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    (folder / "damaged.gz").write_bytes(content)

    try:
        rows = loaded(folder, input="damaged.gz").rows
    except TedError as error:
        assert error.field is not None
    else:
        assert rows == 6


@pytest.mark.data
def test_fashion_mnist_is_read_as_it_is_distributed(data_dir: Path) -> None:
    samples = loaded(data_dir / "fashion_mnist")

    assert (len(samples), samples.input_shape, len(samples.classes)) == (60_000, (1, 28, 28), 10)
    assert np.bincount(samples.labels).tolist() == [6000] * 10


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("shape", [(6, 2**32 - 1, 2**32 - 1), (6, 2**31, 2**31), (6, 2**32 - 1, 2**32 - 1, 3)])
def test_lengths_whose_product_leaves_64_bits_are_refused(
    folder: Path, shape: tuple[int, ...], compressed: bool
) -> None:
    content = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + bytes(100)
    (folder / "train-images-idx3-ubyte").write_bytes(gzip.compress(content) if compressed else content)

    assert inspected(folder).rows == 6
    assert "damaged" in files.refused(DatasetUnreadable, folder, format="idx", task=IMAGES).fact
