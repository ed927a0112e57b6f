"""NumPy archives: two arrays, never a pickle."""

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.lib import format as npy

from ted_core.datasets import DatasetSummary, Limits, Samples
from ted_core.datasets.formats.npz import NPZ
from ted_core.datasets.sources.base import Source
from ted_core.errors import (
    DatasetEmpty,
    DatasetTooLarge,
    DatasetUnreadable,
    MissingValues,
    SettingUnsuited,
    SingleClass,
    TedError,
    UnknownColumn,
    UnusableInputs,
    UnusableLabels,
)
from tests.ted_core.datasets import files
from tests.ted_core.datasets.files import IMAGES

X, Y = np.arange(12.0).reshape(6, 2), np.arange(6) % 3
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.npz"


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def loaded(path: Path, **choices: Any) -> Samples:
    return files.loaded(path, format="npz", **choices)


def inspected(path: Path, **choices: Any) -> DatasetSummary:
    return files.inspected(path, format="npz", **choices)


def refused_on_sight(error: type[TedError], path: Path, **choices: Any) -> TedError:
    return files.refused_on_sight(error, path, format="npz", **choices)


def test_the_arrays_x_and_y_are_inputs_and_labels(path: Path) -> None:
    samples = loaded(npz(path, x=X, y=Y))

    assert samples.inputs.tolist() == X.tolist()
    assert samples.inputs.dtype == np.float32
    assert (samples.labels.tolist(), samples.classes, samples.rows) == (Y.tolist(), ("0", "1", "2"), 6)


def test_other_names_can_be_given(path: Path) -> None:
    samples = loaded(npz(path, features=X, kind=np.array(list("ababab")), x=X * 0), input="features", target="kind")

    assert samples.inputs.tolist() == X.tolist()
    assert samples.classes == ("a", "b")


@pytest.mark.parametrize(
    ("pixels", "shape"), [(PIXELS, (3, 4, 5)), (PIXELS[..., :1], (1, 4, 5)), (PIXELS[..., 0], (1, 4, 5))]
)
def test_images_become_channels_first(path: Path, pixels: np.ndarray, shape: tuple[int, ...]) -> None:
    samples = loaded(npz(path, x=pixels, y=Y), task=IMAGES)

    assert samples.input_shape == shape
    np.testing.assert_array_equal(samples.inputs[:, 0], PIXELS[..., 0])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_inspection_tells_rows_and_arrays(path: Path, save: Any) -> None:
    save(path, x=X, y=Y, extra=Y)

    summary = inspected(path)

    assert (summary.rows, summary.columns) == (6, ("x", "y", "extra"))


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("labels", ["i4", "u2", "U3"])
def test_the_byte_order_of_another_machine_is_understood(path: Path, byte_order: str, labels: str) -> None:
    samples = loaded(npz(path, x=X.astype(f"{byte_order}f8"), y=Y.astype(f"{byte_order}{labels}")))

    assert (samples.inputs.tolist(), samples.labels.tolist()) == (X.tolist(), Y.tolist())


def test_columns_may_lie_first_in_memory(path: Path) -> None:
    assert loaded(npz(path, x=np.asfortranarray(X), y=Y)).inputs.tolist() == X.tolist()


@pytest.mark.parametrize(("choice", "field"), [("input", "dataset.input"), ("target", "dataset.target")])
def test_an_unknown_array_is_refused_with_the_names_there_are(path: Path, choice: str, field: str) -> None:
    error = refused_on_sight(UnknownColumn, npz(path, x=X, y=Y), **{choice: "z"})

    assert (error.field, error.fact) == (field, "'z' is not among x, y")


def test_several_arrays_cannot_be_the_target(path: Path) -> None:
    assert refused_on_sight(UnusableLabels, npz(path, x=X, y=Y), target=["y", "x"]).field == "dataset.target"


@pytest.mark.parametrize("task", ["text-classification", "causal-lm"])
def test_arrays_hold_no_text(path: Path, task: str) -> None:
    assert refused_on_sight(UnusableInputs, npz(path, x=X, y=Y), task=task).field == "dataset.task"


def test_several_arrays_cannot_be_the_input(path: Path) -> None:
    assert refused_on_sight(UnusableInputs, npz(path, x=X, y=Y), input=["x", "y"]).field == "dataset.input"


@pytest.mark.parametrize("labels", [Y[:5], Y[:5, None], np.array(0)])
def test_inputs_and_labels_must_match(path: Path, labels: np.ndarray) -> None:
    assert refused_on_sight(DatasetUnreadable, npz(path, x=X, y=labels)).field == "dataset.uri"


@pytest.mark.parametrize("labels", [Y[:, None], Y[:, None, None], np.asfortranarray(Y[:, None])])
def test_labels_of_one_column_are_a_class_for_each_row(path: Path, labels: np.ndarray) -> None:
    npz(path, x=X, y=labels)

    assert inspected(path).rows == len(Y)
    assert loaded(path).labels.tolist() == Y.tolist()


@pytest.mark.parametrize("labels", [np.eye(3, dtype=int)[Y], np.zeros((6, 2), int)])
def test_labels_of_several_columns_are_refused_with_what_to_do(path: Path, labels: np.ndarray) -> None:
    error = refused_on_sight(UnusableLabels, npz(path, x=X, y=labels))

    assert error.field == "dataset.target"
    assert "give the position of each row's 1, or its class" in error.fact


def test_a_lone_negative_label_is_a_warning(path: Path) -> None:
    (warning,) = loaded(npz(path, x=X, y=[0, 1, 2, -1, 0, 1])).warnings

    assert warning.code == "negative_label"


def test_arrays_have_no_columns_to_exclude(path: Path) -> None:
    assert refused_on_sight(SettingUnsuited, npz(path, x=X, y=Y), exclude=["x"]).field == "dataset.exclude"


@pytest.mark.parametrize("labels", [Y.astype(float), Y.astype(complex), Y.astype(object), Y.astype("S1")])
def test_labels_of_other_types_are_refused(path: Path, labels: np.ndarray) -> None:
    assert refused_on_sight(UnusableLabels, npz(path, x=X, y=labels)).field == "dataset.target"


@pytest.mark.parametrize("inputs", [X.astype(object), X.astype(complex), X.astype(str), X[:, 0], X[:, None]])
def test_inputs_that_are_no_rows_of_numbers_are_refused(path: Path, inputs: np.ndarray) -> None:
    assert refused_on_sight(UnusableInputs, npz(path, x=inputs, y=Y)).field == "dataset.input"


@pytest.mark.parametrize("inputs", [PIXELS / 255, PIXELS.astype(np.int16), PIXELS[:, 0, :, 0], PIXELS[..., None]])
def test_inputs_that_are_no_images_are_refused(path: Path, inputs: np.ndarray) -> None:
    assert refused_on_sight(UnusableInputs, npz(path, x=inputs, y=Y), task=IMAGES).field == "dataset.input"


def test_images_with_channels_first_are_refused_in_words(path: Path) -> None:
    npz(path, x=PIXELS.transpose(0, 3, 1, 2), y=Y)

    assert "5 channels" in files.refused(UnusableInputs, path, format="npz", task=IMAGES).fact


def test_a_pickle_is_never_opened(path: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    npz(path, x=X, y=np.array([Trap()] * 6, dtype=object))

    refused_on_sight(UnusableLabels, path)
    with pytest.raises(DatasetUnreadable):  # not even where the file changed after it was looked at
        NPZ.load([Source.at(path)], files.spec(path, format="npz"), Limits())
    assert not (tmp_path / "sprung").exists()


def test_without_rows_or_with_one_class_there_is_nothing_to_learn(path: Path) -> None:
    assert refused_on_sight(DatasetEmpty, npz(path, x=X[:0], y=Y[:0])).field == "dataset.uri"
    assert files.refused(SingleClass, npz(path, x=X, y=Y * 0), format="npz").field == "dataset.target"


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_numbers_that_are_none_are_refused_by_row(path: Path, value: float) -> None:
    inputs = X.copy()
    inputs[4, 1] = value

    error = files.refused(MissingValues, npz(path, x=inputs, y=Y), format="npz")

    assert error.fact == "Column 'inputs' is NaN or infinite in 1 rows, first: 4"


def test_more_than_memory_allows_is_refused(path: Path) -> None:
    npz(path, x=X, y=Y)

    files.refused(DatasetTooLarge, path, format="npz", limits=Limits(memory_bytes=6 * 2 * 4 - 1))
    assert loaded(path, limits=Limits(memory_bytes=6 * 2 * 4)).rows == 6


def test_a_folder_is_no_archive(tmp_path: Path) -> None:
    assert refused_on_sight(DatasetUnreadable, tmp_path).field == "dataset.uri"


@pytest.mark.parametrize("content", [b"", b"PK", b"x,y\n1,2\n", b"\x93NUMPY\x01\x00"])
def test_what_is_no_archive_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    assert refused_on_sight(DatasetUnreadable, path).field == "dataset.format"


def test_an_archive_of_other_things_is_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", "no array")
        archive.writestr("y.npy", "nor this")

    assert refused_on_sight(DatasetUnreadable, path).field == "dataset.format"


@pytest.mark.parametrize("header", [{"shape": (-4, 2), "descr": "<f4"}, {"shape": (4, 2), "descr": "<U0"}])
def test_an_array_that_cannot_be_is_refused_on_sight(path: Path, header: dict[str, Any]) -> None:
    with zipfile.ZipFile(path, "w") as archive, archive.open("x.npy", "w") as file:
        npy.write_array_header_1_0(file, header | {"fortran_order": False})

    assert "values that cannot be" in refused_on_sight(DatasetUnreadable, path).fact


def test_damage_inside_an_array_is_refused_once_it_is_read(path: Path) -> None:
    numbers = np.arange(10_000.0).reshape(5000, 2)
    whole = npz(path, x=numbers, y=np.arange(5000)).read_bytes()
    path.write_bytes(whole.replace(numbers[4000:].tobytes(), numbers[:1000].tobytes()))

    assert inspected(path).rows == 5000
    assert "damaged" in files.refused(DatasetUnreadable, path, format="npz").fact


@given(st.data())
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_byte_is_damaged_the_error_is_one_of_ours(path: Path, data: st.DataObject) -> None:
    np.savez_compressed(path, x=np.tile(X, (50, 1)), y=np.tile(Y, 50))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)

    try:
        rows = loaded(path).rows
    except TedError as error:
        assert error.field is not None
    else:
        assert rows == 300


@pytest.mark.parametrize("shape", [(6, 0), (6, 0, 8)])
def test_inputs_that_hold_nothing_are_refused_on_sight(path: Path, shape: tuple[int, ...]) -> None:
    task = "image-classification" if len(shape) > 2 else "tabular-classification"

    error = refused_on_sight(DatasetUnreadable, npz(path, x=np.zeros(shape, np.uint8), y=Y), task=task)

    assert "hold nothing" in error.fact


# --- forged headers ---------------------------------------------------------------------------------------------------


def with_header(path: Path, header: str) -> Path:
    """An archive whose arrays have this header, and hardly any values."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("x.npy", "y.npy"):
            archive.writestr(name, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(100))
    return path


@pytest.mark.parametrize(
    "shape", ["(120, True)", "(True,)", "(-1, 2)", "(1.0, 2)", "('1', 2)", "(" + "9" * 5000 + ",)"]
)
@pytest.mark.parametrize("order", [False, True])
def test_lengths_that_are_none_are_refused_on_sight(path: Path, shape: str, order: bool) -> None:
    refused_on_sight(
        DatasetUnreadable, with_header(path, f"{{'descr': '|u1', 'fortran_order': {order}, 'shape': {shape}}}")
    )


@pytest.mark.parametrize("shape", [(60, 2**32 - 1, 2**32 - 1), (2, 2**62), (2, 2**63), (2, 2**64)])
@pytest.mark.parametrize("order", [False, True])
def test_lengths_whose_product_leaves_64_bits_are_refused(path: Path, shape: tuple[int, ...], order: bool) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, lengths in {"x": shape, "y": shape[:1]}.items():
            with archive.open(f"{name}.npy", "w") as file:
                npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": order, "shape": lengths})
                file.write(bytes([0, 1] * 30))

    task = IMAGES if len(shape) > 2 else files.TABLE

    assert "damaged" in files.refused(DatasetUnreadable, path, format="npz", task=task).fact


@pytest.mark.parametrize(
    "kind",
    ["[('a', '<f4', (3,))]", "('<f4', (3,))", "'|O'", "'<M8[s]'", "'|V0'", "'(9999999,9999999)i4'", "'i4,!'"],
)
def test_types_that_hold_no_numbers_are_refused(path: Path, kind: str) -> None:
    with_header(path, f"{{'descr': {kind}, 'fortran_order': False, 'shape': (2, 2)}}")

    with pytest.raises(TedError):
        loaded(path)


@pytest.mark.parametrize(
    "header",
    [
        *("-" * 9000 + "1", "[" * 9000, "(" * 150 + ")" * 150, "lambda: 0", "'" * 9999),
        *("{[]: 1}", "{1: 2, 'a': 3}", "{'a':\n  1}\n b", "  a\n b"),
        "{'descr': (), 'fortran_order': False, 'shape': (2, 2)}",
        "{'descr': '(1,,2)i4', 'fortran_order': False, 'shape': (2, 2)}",
    ],
)
def test_a_header_that_python_cannot_parse_is_refused(path: Path, header: str) -> None:
    refused_on_sight(DatasetUnreadable, with_header(path, header))


@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_compression_that_numpy_does_not_use_is_refused_on_sight(path: Path, compression: int) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x.npy", b"")

    assert "compressed" in refused_on_sight(DatasetUnreadable, path).fact


@pytest.mark.parametrize(("arrays", "says"), [(1001, "1,001 arrays"), (20_000, "its directory takes")])
def test_an_archive_of_very_many_arrays_is_refused(path: Path, arrays: int, says: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(arrays):
            archive.writestr(f"{number}.npy", b"")

    assert says in refused_on_sight(DatasetUnreadable, path).fact


def test_a_file_that_claims_more_than_it_can_hold_is_refused_before_memory_is_taken(path: Path) -> None:
    rows = 1 << 40
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        for name, shape in {"x": (rows, 2), "y": (rows,)}.items():
            with archive.open(f"{name}.npy", "w") as file:
                npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    content = path.read_bytes()
    sizes = {member.file_size for member in zipfile.ZipFile(path).infolist()}
    for size in sizes:  # the directory's word for what each member holds
        content = content.replace(struct.pack("<I", size), struct.pack("<I", 0xFFFFFFFE))
    path.write_bytes(content)

    with pytest.raises(DatasetUnreadable):
        NPZ.load([Source.at(path)], files.spec(path, format="npz"), Limits())


def test_labels_beyond_memory_are_refused(path: Path) -> None:
    np.savez_compressed(path, x=np.zeros((1000, 1)), y=np.array(["a" * 1000, "b"] * 500))

    error = files.refused(DatasetTooLarge, path, format="npz", limits=Limits(memory_bytes=1_000_000))

    assert error.fact == "labels take 4,000,000 bytes"
