"""Files that store the same columns in other types, orders or not at all are one dataset where that can be."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from ted_core.errors import MixedTypes, SchemasDiffer
from tests.ted_core.datasets.files import IMAGES, TEXTS, image, inspected, loaded, refused, refused_on_sight

Writer = Callable[[Path, pa.Table], None]


def as_parquet(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path.with_suffix(".parquet"))


def as_arrow(path: Path, table: pa.Table) -> None:
    with ipc.new_stream(path.with_suffix(".arrow"), table.schema) as writer:
        writer.write_table(table)


@pytest.fixture(params=[as_parquet, as_arrow])
def write(request: pytest.FixtureRequest) -> Writer:
    """How the files are written."""
    writer: Writer = request.param
    return writer


def parts(folder: Path, write: Writer, *columns: dict[str, Any]) -> Path:
    """A folder with a file of each of these columns, whose labels are 0 and 1 in turn."""
    folder.mkdir(exist_ok=True)
    for number, part in enumerate(columns):
        rows = len(next(iter(part.values())))
        write(folder / str(number), pa.table(part | {"label": [row % 2 for row in range(rows)]}))
    return folder


WORDS = ["a", "b", "a", "b"]
NUMBERS = [2, 5, 3, 9]
SAME: dict[str, list[pa.Array]] = {
    "whole numbers": [pa.array(NUMBERS, kind) for kind in (pa.int8(), pa.int64(), pa.uint16())],
    "whole numbers and fractions": [pa.array(NUMBERS, kind) for kind in (pa.int32(), pa.float64(), pa.float32())],
    "integers and decimals": [pa.array(NUMBERS), pa.array(NUMBERS).cast(pa.decimal128(21, 2))],
    "strings": [pa.array(WORDS, pa.string()), pa.array(WORDS, pa.large_string()), pa.array(WORDS).dictionary_encode()],
    "categories": [pa.array(WORDS, pa.dictionary(kind, pa.string())) for kind in (pa.int8(), pa.int16())],
    "categories of numbers": [pa.array(NUMBERS, pa.dictionary(kind, pa.int64())) for kind in (pa.int8(), pa.int32())],
}


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("turned", [False, True])
def test_types_that_hold_the_same_are_one(tmp_path: Path, write: Writer, name: str, turned: bool) -> None:
    columns = SAME[name][::-1] if turned else SAME[name]

    apart = loaded(parts(tmp_path / "apart", write, *({"x": column} for column in columns)))
    alone = loaded(parts(tmp_path / "alone", write, *({"x": columns[0]} for _ in columns)))

    assert apart.inputs.tolist() == alone.inputs.tolist()


def test_a_column_that_is_null_in_a_file_has_the_type_of_the_others(tmp_path: Path, write: Writer) -> None:
    for number, files in enumerate([[pa.nulls(4), NUMBERS], [NUMBERS, pa.nulls(4)]]):
        folder = parts(tmp_path / str(number), write, *({"x": column} for column in files))

        inputs = loaded(folder, missing="impute").inputs

        assert inputs[:, 1].sum() == 4
        assert sorted({*inputs[:, 0].tolist()}) == [2, 3, 4, 5, 9]


@pytest.mark.parametrize("empty", [{"x": pa.array([], pa.string())}, {"y": pa.nulls(0)}, {"x": pa.nulls(0)}])
@pytest.mark.parametrize("first", [True, False])
def test_a_file_without_rows_decides_nothing(tmp_path: Path, write: Writer, empty: dict[str, Any], first: bool) -> None:
    files = [empty, {"x": NUMBERS}, {"x": NUMBERS}]

    folder = parts(tmp_path / "data", write, *(files if first else files[::-1]))

    assert inspected(folder).rows == 8
    assert loaded(folder).inputs.ravel().tolist() == NUMBERS * 2


def test_columns_in_another_order_are_read_by_their_names(tmp_path: Path, write: Writer) -> None:
    folder = parts(tmp_path / "data", write, {"x": NUMBERS, "y": [0.5] * 4}, {"y": [0.5] * 4, "x": NUMBERS})

    assert loaded(folder).inputs.tolist() == [[number, 0.5] for number in NUMBERS * 2]


def test_images_and_texts_may_be_stored_in_several_ways(tmp_path: Path, write: Writer) -> None:
    png = [image(value) for value in range(4)]
    structs = [{"bytes": data, "path": None} for data in png], [{"path": "a", "bytes": data} for data in png]
    images = parts(tmp_path / "images", write, *({"image": pa.array(column)} for column in structs))
    kinds = (pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string()))
    texts = parts(tmp_path / "texts", write, *({"text": pa.array(WORDS, kind)} for kind in kinds))

    assert loaded(images, task=IMAGES).inputs[:, 0, 0, 0].tolist() == [0, 1, 2, 3] * 2
    assert loaded(texts, task=TEXTS).inputs.parts[0].to_pylist() == WORDS * 3


@pytest.mark.parametrize(
    ("first", "second"),
    [({"x": NUMBERS}, {"x": WORDS}), ({"x": NUMBERS}, {"y": NUMBERS}), ({"x": NUMBERS}, {"x": [[1]] * 4})],
)
def test_what_cannot_be_unified_is_refused_with_both_files(
    tmp_path: Path, write: Writer, first: dict[str, Any], second: dict[str, Any]
) -> None:
    folder = parts(tmp_path / "data", write, first, second)

    error = refused_on_sight(SchemasDiffer, folder)

    assert all(f"{number}." in error.fact for number in (0, 1))
    assert "x: int64" in error.fact


def test_what_nobody_reads_may_differ(tmp_path: Path, write: Writer) -> None:
    kept = {"x": NUMBERS}
    folder = parts(tmp_path / "data", write, kept | {"t": NUMBERS}, kept | {"t": WORDS}, kept, kept | {"u": WORDS})

    assert loaded(folder, input="x").rows == 16
    assert loaded(folder, exclude=["t", "u"]).inputs.shape == (16, 1)
    assert "t: int64" in refused_on_sight(SchemasDiffer, folder).fact


def test_a_name_that_a_file_has_twice_is_refused_where_it_is_read(tmp_path: Path) -> None:
    folder = parts(tmp_path / "data", as_arrow, {"x": NUMBERS, "y": NUMBERS})
    table = pa.table([NUMBERS, NUMBERS, NUMBERS, [0, 1, 0, 1]], names=["x", "x", "y", "label"])
    as_arrow(folder / "1", table)

    assert "there twice" in refused_on_sight(SchemasDiffer, folder).fact
    assert loaded(folder, input="y").rows == 8


def test_names_of_classes_must_not_contradict_each_other(tmp_path: Path, write: Writer) -> None:
    def stating(names: list[str] | None) -> pa.Table:
        feature = {"label": {"names": names, "_type": "ClassLabel"}}
        metadata = {"huggingface": json.dumps({"info": {"features": feature}})}
        return pa.table({"x": NUMBERS, "label": [0, 1, 0, 1]}).replace_schema_metadata(metadata if names else None)

    for number, names in enumerate([["cat", "dog"], None, ["cat", "dog"]]):
        write(tmp_path / str(number), stating(names))

    assert loaded(tmp_path).classes == ("cat", "dog")
    write(tmp_path / "3", stating(["dog", "cat"]))
    assert "3." in refused_on_sight(SchemasDiffer, tmp_path).fact


def test_a_whole_number_that_no_fraction_holds_is_refused(tmp_path: Path, write: Writer) -> None:
    folder = parts(tmp_path / "data", write, {"x": [2**53 + 1, 2, 3, 9]}, {"x": [0.5, 1.5, 2.5, 3.5]})

    assert refused(MixedTypes, folder).field == "dataset.uri"
