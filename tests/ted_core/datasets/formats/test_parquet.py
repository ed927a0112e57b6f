"""Parquet files as people have them: in shards, with lists, images, nulls and mistakes."""

import itertools
import os
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ted_core.datasets import Limits
from ted_core.errors import (
    DatasetEmpty,
    DatasetNotFound,
    DatasetTooLarge,
    DatasetUnreadable,
    MissingValues,
    SchemasDiffer,
    SingleClass,
    UndecodableImages,
    UnknownColumn,
    UnusableInputs,
    UnusableLabels,
)
from tests.ted_core.datasets.files import (
    IMAGES,
    image,
    inspected,
    loaded,
    parquet,
    refused,
    refused_on_sight,
)

LABELS = [0, 1, 0, 1]
NUMBERS = [1.0, 2.0, 3.0, 4.0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.parquet"


def shards(folder: Path, *rows: int) -> Path:
    """A folder of files, written in reverse, whose rows count on from file to file by name."""
    folder.mkdir()
    starts = np.cumsum([0, *rows])
    for number, (start, end) in reversed(list(enumerate(itertools.pairwise(starts)))):
        parquet(folder / f"part-{number}.parquet", x=np.arange(start, end), label=np.arange(start, end) % 2)
    return folder


def images(path: Path, *encoded: bytes | None) -> Path:
    return parquet(path, image=pa.array(encoded, pa.binary()), label=[row % 2 for row in range(len(encoded))])


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_file_is_read_row_by_row(path: Path) -> None:
    samples = loaded(parquet(path, x=NUMBERS, y=[5, 6, 7, 8], label=LABELS))

    assert samples.inputs.tolist() == [[1, 5], [2, 6], [3, 7], [4, 8]]
    assert samples.labels.tolist() == LABELS
    assert samples.row_index.tolist() == [0, 1, 2, 3]
    assert (samples.rows, samples.classes, samples.kind, samples.input_shape) == (4, ("0", "1"), "vector", (2,))


def test_a_folder_is_read_in_name_order(tmp_path: Path) -> None:
    samples = loaded(shards(tmp_path / "folder", 3, 1, 4))

    assert samples.inputs[:, 0].tolist() == list(range(8))


def test_what_is_no_parquet_file_in_a_folder_is_left_alone(tmp_path: Path) -> None:
    folder = shards(tmp_path / "folder", 2, 2)
    (folder / "README.md").write_text("about the data")

    assert loaded(folder).rows == 4


def test_inspection_tells_rows_and_columns_without_reading_them(tmp_path: Path) -> None:
    summary = inspected(shards(tmp_path / "folder", 3, 4))

    assert (summary.rows, summary.columns) == (7, ("x", "label"))


def test_the_guard_changes_with_the_files(tmp_path: Path) -> None:
    folder = shards(tmp_path / "folder", 3, 4)
    before = inspected(folder).change_token

    assert inspected(folder).change_token == before
    parquet(folder / "part-1.parquet", x=np.arange(5), label=np.arange(5) % 2)
    assert inspected(folder).change_token != before


def test_a_folder_without_parquet_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()

    assert refused_on_sight(DatasetUnreadable, tmp_path / "folder").field == "dataset.uri"


def test_a_missing_file_is_not_found(path: Path) -> None:
    assert refused_on_sight(DatasetNotFound, path).field == "dataset.uri"


@pytest.mark.parametrize("content", [b"", b"PAR1", b"a,b\n1,2\n", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_what_is_no_parquet_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    error = refused_on_sight(DatasetUnreadable, path)

    assert error.field == "dataset.format"
    assert path.name in error.fact


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_file_cut_short_is_refused(path: Path, share: float) -> None:
    whole = parquet(path, x=np.arange(1000.0), label=np.arange(1000) % 2).read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])

    assert refused_on_sight(DatasetUnreadable, path).field == "dataset.format"


def test_damage_inside_a_file_is_refused_once_it_is_read(path: Path) -> None:
    whole = bytearray(parquet(path, x=np.random.default_rng(0).random(1000), label=np.arange(1000) % 2).read_bytes())
    whole[4:400] = b"\xff" * 396
    path.write_bytes(whole)

    assert inspected(path).rows == 1000
    assert "damaged" in refused(DatasetUnreadable, path).fact


def test_files_of_another_schema_are_refused_with_what_differs(tmp_path: Path) -> None:
    folder = shards(tmp_path / "folder", 2, 2)
    parquet(folder / "part-1.parquet", x=["a", "b"], label=[0, 1])

    error = refused_on_sight(SchemasDiffer, folder)

    assert "part-1.parquet" in error.fact
    assert "x: int64" in error.fact
    assert "x: string" in error.fact


def test_columns_may_come_in_another_order(tmp_path: Path) -> None:
    folder = shards(tmp_path / "folder", 2, 2)
    parquet(folder / "part-1.parquet", label=[0, 1], x=[2.0, 3.0])

    samples = loaded(folder)

    assert samples.inputs[2:].tolist() == [[2], [3]]
    assert samples.labels[2:].tolist() == [0, 1]


def test_metadata_makes_no_other_schema(tmp_path: Path) -> None:
    folder = shards(tmp_path / "folder", 2, 2)
    table = pq.read_table(folder / "part-1.parquet").replace_schema_metadata({"written": "later"})
    pq.write_table(table, folder / "part-1.parquet")

    assert loaded(folder).rows == 4


def test_a_dataset_without_rows_is_refused(path: Path) -> None:
    parquet(path, x=pa.array([], pa.float32()), label=pa.array([], pa.int64()))

    assert refused_on_sight(DatasetEmpty, path).field == "dataset.uri"


# --- columns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("choice", "field"), [("input", "dataset.input"), ("target", "dataset.target")])
def test_an_unknown_column_is_refused_with_the_names_there_are(path: Path, choice: str, field: str) -> None:
    parquet(path, x=NUMBERS, label=LABELS)

    error = refused_on_sight(UnknownColumn, path, **{choice: "pixels"})

    assert error.field == field
    assert error.fact == "'pixels' is not among x, label"


def test_without_a_column_called_label_the_target_has_to_be_named(path: Path) -> None:
    parquet(path, x=NUMBERS, kind=LABELS)

    assert refused_on_sight(UnknownColumn, path).field == "dataset.target"
    assert loaded(path, target="kind").labels.tolist() == LABELS


def test_a_column_whose_name_is_not_unique_is_refused_where_it_is_used(path: Path) -> None:
    columns = [pa.array(NUMBERS), pa.array(NUMBERS), pa.array(NUMBERS), pa.array(LABELS)]
    pq.write_table(pa.Table.from_arrays(columns, names=["x", "x", "z", "label"]), path)

    assert refused_on_sight(DatasetUnreadable, path, input="x").fact == "'x' is the name of several columns"
    assert loaded(path, input="z").inputs[:, 0].tolist() == NUMBERS


def test_a_column_name_that_is_no_text_is_refused(path: Path) -> None:
    whole = parquet(path, feature=NUMBERS, label=LABELS).read_bytes()
    path.write_bytes(whole.replace(b"feature", b"\xfeeature"))

    assert refused_on_sight(DatasetUnreadable, path).field in ("dataset.uri", "dataset.format")


def test_several_columns_stand_in_the_order_they_are_named(path: Path) -> None:
    parquet(path, a=NUMBERS, b=[5, 6, 7, 8], c=[0, 0, 0, 1], label=LABELS)

    assert loaded(path, input=["b", "a"]).inputs[0].tolist() == [5, 1]


@pytest.mark.parametrize("names", ["label", ["x", "label"]])
def test_the_target_cannot_be_an_input_too(path: Path, names: str | list[str]) -> None:
    parquet(path, x=NUMBERS, label=LABELS)

    refusal = refused_on_sight(UnusableInputs, path, input=names)

    assert refusal.field == "dataset.input"
    assert "give itself away" in str(refusal)


def test_left_open_the_inputs_are_the_numbers_that_are_neither_target_nor_id(path: Path) -> None:
    parquet(path, id=[9, 8, 7, 6], x=NUMBERS, text=list("abcd"), uid=list("efgh"), y=NUMBERS, label=LABELS)

    assert loaded(path).inputs.shape == (4, 2)


def test_a_table_without_a_number_or_category_is_refused(path: Path) -> None:
    parquet(path, when=[date(2024, 1, day) for day in (1, 2, 3, 4)], label=LABELS)

    assert refused_on_sight(UnusableInputs, path).field == "dataset.input"


@pytest.mark.parametrize(
    "column",
    [
        [[1, 2], [3, 4], [5, 6], [7, 8]],
        pa.array([[1, 2], [3, 4], [5, 6], [7, 8]], pa.large_list(pa.float64())),
        pa.FixedSizeListArray.from_arrays(pa.array(np.arange(1, 9, dtype=np.float16)), 2),
    ],
    ids=["list", "large list", "fixed-size list"],
)
def test_lists_of_numbers_are_vectors(path: Path, column: Any) -> None:
    samples = loaded(parquet(path, x=column, label=LABELS), input="x")

    assert samples.inputs.tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]


def test_lists_and_numbers_stand_side_by_side(path: Path) -> None:
    parquet(path, embedding=[[1, 2], [3, 4], [5, 6], [7, 8]], age=NUMBERS, label=LABELS)

    assert loaded(path, input=["age", "embedding"]).inputs[1].tolist() == [2, 3, 4]


@pytest.mark.parametrize("column", [[[1, 2], [3], [5, 6], [7, 8]], [[], [], [], []]], ids=["ragged", "empty"])
def test_lists_without_a_common_length_are_refused(path: Path, column: Any) -> None:
    table = pa.table({"x": pa.array(column, pa.list_(pa.int64())), "label": LABELS})
    pq.write_table(table, path, write_statistics=False)  # they count an empty list as a null

    assert refused(UnusableInputs, path, input="x").field == "dataset.input"


@pytest.mark.parametrize(
    "column",
    [
        pa.array([0, 1, 2, 255], pa.uint8()),
        [False, True, True, False],
        [Decimal("0.5"), Decimal("1.5"), Decimal("2.5"), Decimal("3.5")],
        np.array([0.5, 1, 2, 3], np.float16),
        np.array([0, 2**40, -(2**40), 1]),
    ],
    ids=["uint8", "boolean", "decimal", "half", "large"],
)
def test_every_kind_of_number_becomes_a_float32(path: Path, column: Any) -> None:
    samples = loaded(parquet(path, x=column, label=LABELS))

    assert samples.inputs.dtype == np.float32
    assert samples.inputs[:, 0].tolist() == [float(value) for value in pa.array(column).to_pylist()]


@pytest.mark.parametrize("column", [[b"a"] * 4, [[["a"]]] * 4, [{"a": 1}] * 4], ids=["bytes", "lists", "struct"])
def test_what_is_neither_number_nor_category_is_refused(path: Path, column: Any) -> None:
    parquet(path, x=column, label=LABELS)

    error = refused_on_sight(UnusableInputs, path, input="x")

    assert error.field == "dataset.input"
    assert "'x'" in error.fact


# --- labels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "codes", "classes"),
    [
        (["dog", "cat", "dog", "ape"], [2, 1, 2, 0], ("ape", "cat", "dog")),
        ([10, 9, 10, -1], [2, 1, 2, 0], ("-1", "9", "10")),
        ([True, False, True, True], [1, 0, 1, 1], ("False", "True")),
        (pa.array(["b", "a", "b", "a"]).dictionary_encode(), [1, 0, 1, 0], ("a", "b")),
        (pa.array(["b", "a", "b", "a"], pa.large_string()), [1, 0, 1, 0], ("a", "b")),
        (pa.array([2**64 - 1, 0, 0, 0], pa.uint64()), [1, 0, 0, 0], ("0", str(2**64 - 1))),
    ],
    ids=["strings", "integers", "booleans", "dictionary", "large strings", "uint64"],
)
def test_labels_become_codes_of_sorted_classes(
    path: Path, labels: Any, codes: list[int], classes: tuple[str, ...]
) -> None:
    samples = loaded(parquet(path, x=NUMBERS, label=labels))

    assert (samples.labels.tolist(), samples.classes) == (codes, classes)


@pytest.mark.parametrize("labels", [[0.0, 1.0, 0.0, 1.0], [[0.5]] * 4, [b"a"] * 4, [None] * 4])
def test_labels_of_other_types_are_refused(path: Path, labels: Any) -> None:
    parquet(path, x=NUMBERS, label=labels)

    assert refused_on_sight(UnusableLabels, path).field == "dataset.target"


def test_a_single_class_is_refused(path: Path) -> None:
    parquet(path, x=NUMBERS, label=["cat"] * 4)

    assert refused(SingleClass, path).field == "dataset.target"


# --- missing values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"x": [1.0, None, 3.0, None], "label": LABELS}, "dataset.input"),
        ({"x": NUMBERS, "label": [0, None, 0, None]}, "dataset.target"),
        ({"x": NUMBERS, "label": ["a", None, "b", None]}, "dataset.target"),
        ({"x": [[1.0], None, [3.0], None], "label": LABELS}, "dataset.input"),
        ({"x": [[1.0, 2.0], [None, 2.0], [3.0, 4.0], [5.0, None]], "label": LABELS}, "dataset.input"),
    ],
    ids=["number", "label", "text label", "list", "element"],
)
def test_nulls_are_refused_from_the_footer_or_else_by_row(path: Path, columns: dict[str, Any], field: str) -> None:
    pq.write_table(pa.table(columns), path)
    assert "2 nulls" in refused_on_sight(MissingValues, path, input="x").fact

    pq.write_table(pa.table(columns), path, write_statistics=False)
    error = refused(MissingValues, path, input="x")

    assert error.field == field
    assert error.fact.endswith("is null in 2 rows, first: 1, 3")


def test_nulls_in_columns_that_are_not_used_do_no_harm(path: Path) -> None:
    columns = {"x": pa.array(NUMBERS), "x.y": pa.array([None, 1, 2, 3]), "note": pa.array([None] * 4, pa.string())}
    parquet(path, **columns, label=LABELS)

    assert loaded(path, input="x").inputs[:, 0].tolist() == NUMBERS


def test_nulls_are_seen_in_a_column_whose_name_holds_a_dot(path: Path) -> None:
    parquet(path, **{"x.y": [1.0, None, 3.0, 4.0]}, label=LABELS)

    assert refused_on_sight(MissingValues, path).fact == "Column 'x.y' of data.parquet has 1 nulls"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_numbers_that_are_none_are_refused_by_row(path: Path, value: float) -> None:
    parquet(path, x=[1.0, 2.0, value, 4.0], label=LABELS)

    error = refused(MissingValues, path)

    assert error.field == "dataset.input"
    assert error.fact == "Column 'x' is NaN or infinite in 1 rows, first: 2"


def test_only_the_first_few_rows_are_named(path: Path) -> None:
    parquet(path, x=np.full(100, np.nan), label=np.arange(100) % 2)

    assert refused(MissingValues, path).fact.endswith("100 rows, first: 0, 1, 2, 3, 4")


# --- the dataset's own ids --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["id", "uid", "__key__", "sample_key"])
def test_ids_that_tell_rows_apart_are_kept_as_text(path: Path, name: str) -> None:
    samples = loaded(parquet(path, x=NUMBERS, label=LABELS, **{name: [7, 8, 9, 10]}))

    assert samples.sample_key is not None
    assert samples.sample_key.to_pylist() == ["7", "8", "9", "10"]


@pytest.mark.parametrize(
    "ids",
    [["a", "b", "a", "c"], ["a", None, "b", "c"], [b"\xff", b"1", b"2", b"3"], [[1], [2], [3], [4]]],
    ids=["repeated", "null", "bytes", "lists"],
)
def test_ids_that_do_not_are_ignored(path: Path, ids: list[Any]) -> None:
    assert loaded(parquet(path, x=NUMBERS, label=LABELS, id=ids)).sample_key is None


# --- images -----------------------------------------------------------------------------------------------------------


def test_images_are_decoded_channels_first(path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)

    samples = loaded(images(path, *map(image, pixels)), task=IMAGES)

    np.testing.assert_array_equal(samples.inputs, pixels.transpose(0, 3, 1, 2))
    assert (samples.kind, samples.input_shape) == ("image", (3, 5, 7))


def test_hugging_faces_structs_are_images_even_without_a_path(path: Path) -> None:
    column = [{"bytes": image(value), "path": path, "width": None} for value, path in ((10, "a.png"), (20, None))]

    samples = loaded(parquet(path, image=column, label=[0, 1]), task=IMAGES)

    assert samples.inputs[:, 0, 0, 0].tolist() == [10, 20]


def test_images_of_several_files_and_many_batches_stay_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ted_core.datasets.formats.parquet.BATCH_ROWS", 7)
    monkeypatch.setattr("ted_core.datasets.columns.images.decoder.CHUNK", 3)
    (tmp_path / "folder").mkdir()
    for number in range(2):
        values = range(100 * number, 100 * number + 50)
        images(tmp_path / "folder" / f"{number}.parquet", *map(image, values))

    samples = loaded(tmp_path / "folder", task=IMAGES, limits=Limits(threads=4))

    assert samples.inputs[:, 0, 0, 0].tolist() == [*range(50), *range(100, 150)]


def test_a_null_image_is_missing(path: Path) -> None:
    images(path, image(), None, image())

    assert refused_on_sight(MissingValues, path, task=IMAGES).field == "dataset.input"


def test_a_null_image_is_missing_even_where_the_footer_does_not_say_so(path: Path) -> None:
    table = pa.table({"image": [image(), image(), None], "label": [0, 1, 0]})
    pq.write_table(table, path, write_statistics=False)

    assert refused(MissingValues, path, task=IMAGES).fact == "Row 2 has no image"


def test_undecodable_images_within_the_tolerance_are_left_out(path: Path) -> None:
    images(path, b"no image", *map(image, range(8)), image(9)[:40])

    samples = loaded(path, task=IMAGES, limits=Limits(max_undecodable=0.2))

    assert samples.row_index.tolist() == list(range(1, 9))
    assert samples.inputs[:, 0, 0, 0].tolist() == list(range(8))
    assert samples.labels.tolist() == [row % 2 for row in range(1, 9)]
    assert (len(samples), samples.rows) == (8, 10)


def test_undecodable_images_past_the_tolerance_are_refused_by_row(path: Path) -> None:
    images(path, b"no image", *map(image, range(8)), image(9)[:40])

    error = refused(UndecodableImages, path, task=IMAGES, limits=Limits(max_undecodable=0.1))

    assert error.field == "dataset.input"
    assert error.fact == "2 of 10 images, first rows: 0, 9"


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_where_no_image_can_be_decoded_all_are_refused(path: Path, content: bytes) -> None:
    images(path, content, content)

    refused(UndecodableImages, path, task=IMAGES, limits=Limits(max_undecodable=1))


def test_images_of_other_sizes_are_fitted_to_the_first(path: Path) -> None:
    images(path, image(10, size=(8, 6)), image(20, size=(16, 16)), image(30, size=(2, 3)))

    samples = loaded(path, task=IMAGES)

    assert samples.input_shape == (3, 6, 8)
    assert samples.inputs.min(axis=(1, 2, 3)).tolist() == samples.inputs.max(axis=(1, 2, 3)).tolist() == [10, 20, 30]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_images_come_in_many_formats(path: Path, kind: str) -> None:
    samples = loaded(images(path, image(0, kind=kind), image(200, kind=kind)), task=IMAGES)

    assert samples.inputs[1].mean() == pytest.approx(200, abs=3)


@pytest.mark.parametrize("kind", ["TGA", "PCX", "ICO", "EPS"])
def test_formats_that_no_training_set_is_made_of_are_undecodable(path: Path, kind: str) -> None:
    images(path, image(0), image(0, kind=kind, size=(16, 16)))

    assert loaded(path, task=IMAGES, limits=Limits(max_undecodable=0.5)).row_index.tolist() == [0]


def test_sixteen_bits_of_grey_keep_their_upper_eight(path: Path) -> None:
    ramp = (np.arange(256) * 256 + 7).astype(np.uint16).reshape(16, 16)

    samples = loaded(images(path, image(ramp, mode="I;16"), image(ramp, mode="I;16", kind="TIFF")), task=IMAGES)

    assert samples.inputs[0].ravel().tolist() == samples.inputs[1].ravel().tolist() == list(range(256))


def test_pixels_without_a_known_scale_are_undecodable(path: Path) -> None:
    images(path, image(0), image(np.full((8, 8), 0.5, np.float32), mode="F", kind="TIFF"))

    assert loaded(path, task=IMAGES, limits=Limits(max_undecodable=0.5)).row_index.tolist() == [0]


def test_images_of_absurd_size_are_undecodable(path: Path) -> None:
    images(path, image(0), image(0, size=(10_000, 5_001), mode="1"))

    assert loaded(path, task=IMAGES, limits=Limits(max_undecodable=0.5)).row_index.tolist() == [0]


def test_more_images_than_memory_allows_are_refused(path: Path) -> None:
    images(path, *[image()] * 10)

    error = refused(DatasetTooLarge, path, task=IMAGES, limits=Limits(memory_bytes=10 * 3 * 64 - 1))

    assert "10 images of 8x8 pixels" in error.fact
    assert loaded(path, task=IMAGES, limits=Limits(memory_bytes=10 * 3 * 64)).rows == 10


def test_several_columns_of_images_are_refused(path: Path) -> None:
    parquet(path, left=[image()] * 4, right=[image()] * 4, label=LABELS)

    assert refused_on_sight(UnusableInputs, path, task=IMAGES, input=["left", "right"]).field == "dataset.input"


def test_numbers_are_no_images_and_images_no_numbers(path: Path) -> None:
    parquet(path, image=[image()] * 4, x=NUMBERS, label=LABELS)

    assert refused_on_sight(UnusableInputs, path, task=IMAGES, input="x").field == "dataset.input"
    assert refused_on_sight(UnusableInputs, path, input="image").field == "dataset.input"


@pytest.mark.data
def test_real_images_load_and_inspect_alike(data_dir: Path) -> None:
    folder = data_dir / "cifar10"
    test_files = sorted(folder.glob("*test*.parquet"))
    assert test_files, f"{folder} holds no test file"

    samples = loaded(test_files[0], task=IMAGES, limits=Limits(threads=2))

    assert inspected(test_files[0], task=IMAGES).rows == len(samples) == samples.rows
    assert (samples.input_shape, len(samples.classes)) == ((3, 32, 32), 10)


@pytest.mark.timeout(20)
def test_a_pipe_among_the_files_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    os.mkfifo(folder / "part-0.parquet")

    assert "no regular file" in str(refused_on_sight(DatasetUnreadable, folder))
