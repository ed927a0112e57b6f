"""Every type that Arrow has, in every role: what an inspection accepts, loading loads; the rest is refused by field."""

import datetime
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from ted_core.datasets import Samples
from ted_core.datasets.budget import Budget, limited
from ted_core.errors import TedError
from tests.ted_core.datasets.files import DIALOGUES, IMAGES, TABLE, TEXTS, image, inspected, loaded

ROWS = 8
TWO = [0, 1] * 4
PNG = [image(0), image(255)] * 4
UUIDS = [uuid.UUID(int=7**20 + row).bytes for row in range(ROWS)]
DAYS = [datetime.date(2024, 1, 1 + row) for row in range(ROWS)]
TURNS = [[{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]] * ROWS
TURN = pa.struct({"role": pa.dictionary(pa.int8(), pa.string()), "content": pa.string_view()})
ABSENT_VALUE = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 0] * 2, pa.int8()), pa.array(["a", "b", None]))


def runs(values: pa.Array) -> pa.Array:
    return pa.RunEndEncodedArray.from_arrays(pa.array([3, 6, 8], pa.int32()), values)


def dictionary(values: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(TWO, pa.uint32()), values)


COLUMNS: Mapping[str, pa.Array] = {
    "null": pa.nulls(ROWS),
    "bool": pa.array([False, True] * 4),
    **{str(kind): pa.array(TWO, kind) for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())},
    **{str(kind): pa.array(TWO, kind) for kind in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())},
    "uint64 beyond int64": pa.array([2**64 - 1 - row for row in TWO], pa.uint64()),
    "int64 with nulls": pa.array([1, None] * 4),
    "half": pa.array(np.arange(ROWS, dtype=np.float16)),
    "float": pa.array(TWO, pa.float32()),
    "double": pa.array([row / 2 for row in range(ROWS)]),
    "double with NaN": pa.array([0.5, float("nan")] * 4),
    **{
        name: pa.array([Decimal(row) for row in range(ROWS)], pa.decimal128(9, 2)).cast(kind)
        for name, kind in {
            "decimal32": pa.decimal32(9, 2),
            "decimal64": pa.decimal64(18, 2),
            "decimal128": pa.decimal128(38, 2),
            "decimal256": pa.decimal256(76, 2),
        }.items()
    },
    **{str(kind): pa.array(["a", "b"] * 4, kind) for kind in (pa.string(), pa.large_string(), pa.string_view())},
    "no bytes": pa.array([b""] * ROWS, pa.binary(0)),
    "lists of length 0": pa.array([[]] * ROWS, pa.list_(pa.int32(), 0)),
    "lists of length 0 of what is decoded": pa.array([[], None] * 4, pa.list_(pa.float16(), 0)),
    "empty strings": pa.array(["", "b"] * 4),
    **{str(kind): pa.array(PNG, kind) for kind in (pa.binary(), pa.large_binary(), pa.binary_view())},
    "fixed-size binary": pa.array(UUIDS, pa.binary(16)),
    "uuid": pa.array(UUIDS, pa.uuid()),
    "json": pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{}", "[]"] * 4)),
    "bool8": pa.ExtensionArray.from_storage(pa.bool8(), pa.array(TWO, pa.int8())),
    "tensor": pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.float32(), [2]), pa.array([[0, 1]] * ROWS, pa.list_(pa.float32(), 2))
    ),
    "date32": pa.array(DAYS, pa.date32()),
    "date64": pa.array(DAYS, pa.date64()),
    "timestamp": pa.array(DAYS).cast(pa.timestamp("us")),
    "timestamp with zone": pa.array(DAYS).cast(pa.timestamp("ns")).cast(pa.timestamp("ns", "UTC")),
    "time32": pa.array(range(ROWS), pa.time32("s")),
    "time64": pa.array(range(ROWS), pa.time64("us")),
    "duration": pa.array(range(ROWS), pa.duration("s")),
    "interval": pa.array([(1, 2, row) for row in range(ROWS)], pa.month_day_nano_interval()),
    "list": pa.array([[row, 1] for row in TWO]),
    "list of different lengths": pa.array([[0], [1, 2], [], [2]] * 2, pa.list_(pa.int64())),
    "list of doubles": pa.array([[row / 2, 1] for row in TWO]),
    "list of halves": pa.array([[row, 1] for row in TWO], pa.list_(pa.float16())),
    "list of strings": pa.array([["a"], ["a", "b"]] * 4),
    "list of dictionaries": pa.array([["a"], ["a", "b"]] * 4, pa.list_(pa.dictionary(pa.int8(), pa.string()))),
    "list of lists": pa.array([[[1]], [[2]]] * 4),
    "list with nulls": pa.array([[1, None], None] * 4),
    "large list": pa.array([[row, 1] for row in TWO], pa.large_list(pa.int64())),
    "list view": pa.array([[row, 1] for row in TWO], pa.list_view(pa.int64())),
    "large list view": pa.array([["a"], ["b", "a"]] * 4, pa.large_list_view(pa.string_view())),
    "fixed-size list": pa.array([[row, 1] for row in TWO], pa.list_(pa.float32(), 2)),
    "fixed-size list of classes": pa.array([[row, 2] for row in TWO], pa.list_(pa.int64(), 2)),
    "struct": pa.array([{"bytes": data, "path": None} for data in PNG]),
    "struct of views": pa.array([{"bytes": data} for data in PNG], pa.struct({"bytes": pa.binary_view()})),
    "map": pa.array([[("a", 1)]] * ROWS, pa.map_(pa.string(), pa.int64())),
    "turns": pa.array(TURNS),
    "turns of other strings": pa.array(TURNS, pa.list_view(TURN)),
    "sparse union": pa.UnionArray.from_sparse(
        pa.array([0, 1] * 4, pa.int8()), [pa.array(range(ROWS)), pa.array(["a"] * ROWS)]
    ),
    "dense union": pa.UnionArray.from_dense(
        pa.array([0, 1] * 4, pa.int8()), pa.array([0, 0] * 4, pa.int32()), [pa.array([1]), pa.array(["a"])]
    ),
    "dictionary of strings": dictionary(pa.array(["a", "b"])),
    "dictionary of large strings": dictionary(pa.array(["a", "b"], pa.large_string())),
    "dictionary of string views": dictionary(pa.array(["a", "b"], pa.string_view())),
    "dictionary of integers": dictionary(pa.array([10, 20])),
    "dictionary of booleans": dictionary(pa.array([False, True])),
    "dictionary of doubles": dictionary(pa.array([0.5, 1.5])),
    "dictionary of decimals": dictionary(pa.array([Decimal("0.5"), Decimal("1.5")])),
    "dictionary of bytes": dictionary(pa.array(PNG[:2])),
    "dictionary of byte views": dictionary(pa.array(PNG[:2], pa.binary_view())),
    "dictionary of times": dictionary(pa.array(DAYS[:2])),
    "dictionary of lists": dictionary(pa.array([[1, 2], [3, 4]])),
    "dictionary with a null": ABSENT_VALUE,
    "dictionary with a null unused": dictionary(pa.array(["a", "b", None])),
    "runs of strings": runs(pa.array(["a", "b", "a"])),
    "runs of string views": runs(pa.array(["a", "b", "a"], pa.string_view())),
    "runs of integers": runs(pa.array([0, 1, 0])),
    "runs of nulls": runs(pa.array([0, None, 0])),
}
ROLES: Mapping[str, Callable[[pa.Array], tuple[dict[str, Any], dict[str, Any]]]] = {
    "a usual input": lambda column: ({"c": column, "n": range(0, 16, 2), "label": TWO}, {}),
    "a named input": lambda column: ({"c": column, "label": TWO}, {"input": "c"}),
    "an imputed input": lambda column: ({"c": column, "label": TWO}, {"input": "c", "missing": "impute"}),
    "a target": lambda column: ({"n": range(0, 16, 2), "label": column}, {}),
    "one of two targets": lambda column: ({"n": range(0, 16, 2), "c": column, "d": TWO}, {"target": ["c", "d"]}),
    "an id": lambda column: ({"n": range(0, 16, 2), "id": column, "label": TWO}, {}),
    "a text": lambda column: ({"text": column, "label": TWO}, {"task": TEXTS}),
    "an image": lambda column: ({"image": column, "label": TWO}, {"task": IMAGES}),
    "a conversation": lambda column: ({"messages": column}, {"task": DIALOGUES}),
    "a prompt": lambda column: ({"prompt": column, "response": ["a"] * ROWS}, {"task": DIALOGUES}),
}
WORKS = {
    "a usual input": {*COLUMNS} - {"int64 with nulls", "double with NaN", "dictionary with a null", "runs of nulls"},
    "an image": {
        *("binary", "large_binary", "binary_view", "struct", "struct of views"),
        *("dictionary of bytes", "dictionary of byte views"),
    },
    "a conversation": {"turns", "turns of other strings"},
}
"""What is used in these roles, and no column else."""


def as_arrow(path: Path, columns: Mapping[str, Any]) -> Path:
    table = pa.table(columns)
    with ipc.new_file(path.with_suffix(".arrow"), table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    return path.with_suffix(".arrow")


def as_parquet(path: Path, columns: Mapping[str, Any]) -> Path:
    try:
        pq.write_table(pa.table(columns), path.with_suffix(".parquet"), row_group_size=3)
    except (pa.ArrowException, OSError):
        pytest.skip("Parquet has no such type")
    return path.with_suffix(".parquet")


def outcome(load: Callable[[], Any]) -> Any:
    """What is loaded, or the error, which names the request's field; anything else is a crash."""
    try:
        return load()
    except TedError as error:
        assert error.field
        assert error.field.startswith("dataset.")
        return error


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("written", [as_arrow, pytest.param(as_parquet, marks=pytest.mark.slow)])
def test_what_an_inspection_accepts_is_loaded(tmp_path: Path, written: Callable[..., Path], name: str) -> None:
    for number, (role, made) in enumerate(ROLES.items()):
        columns, choices = made(COLUMNS[name])
        path = written(tmp_path / str(number), columns)

        with limited(Budget(60, 1 << 30, preview_seconds=60)):
            accepted = outcome(lambda path=path, choices=choices: inspected(path, **choices))
        samples = outcome(lambda path=path, choices=choices: loaded(path, **choices))

        refused = isinstance(accepted, TedError)
        assert isinstance(samples, TedError) == refused, f"{name} as {role}: {accepted} {samples}"
        if role in WORKS:
            assert refused == (name not in WORKS[role]), f"{name} as {role}: {accepted}"


@pytest.mark.parametrize(
    ("name", "classes"),
    {
        "dictionary of string views": ("a", "b"),
        "dictionary of integers": ("10", "20"),
        "dictionary with a null unused": ("a", "b"),
        "uint64 beyond int64": ("18446744073709551614", "18446744073709551615"),
        "large list view": ("a", "b"),
        "runs of string views": ("a", "b"),
        "bool8": ("False", "True"),
    }.items(),
)
def test_classes_are_the_same_however_they_are_stored(tmp_path: Path, name: str, classes: tuple[str, ...]) -> None:
    samples = loaded(as_arrow(tmp_path / "data", {"n": range(0, 16, 2), "label": COLUMNS[name]}))

    assert samples.classes == classes


@pytest.mark.parametrize("name", ["half", "dictionary of doubles", "runs of integers", "decimal32", "decimal256"])
def test_numbers_are_the_same_however_they_are_stored(tmp_path: Path, name: str) -> None:
    samples: Samples = loaded(as_arrow(tmp_path / "data", {"c": COLUMNS[name], "label": TWO}), task=TABLE)

    assert samples.inputs.ravel().tolist() == [float(value) for value in map(_value, COLUMNS[name])]


def _value(scalar: pa.Scalar) -> Any:
    return scalar.as_py()
