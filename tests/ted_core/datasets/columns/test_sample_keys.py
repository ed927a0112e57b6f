"""The dataset's own ids reach the manifest as text; if they do not tell rows apart, a warning says so."""

import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ted_core.datasets.budget import Budget, limited
from tests.ted_core.datasets.files import IMAGES, TEXTS, arrow_stream, image, inspected, loaded, parquet

UUIDS = [uuid.UUID(int=7**20 + row) for row in range(4)]
BYTES = [value.bytes for value in UUIDS]
TOLD_APART: dict[str, tuple[pa.Array, list[str]]] = {
    "uuid": (pa.array(BYTES, pa.uuid()), list(map(str, UUIDS))),
    "fixed-size binary": (pa.array(BYTES, pa.binary(16)), [value.hex for value in UUIDS]),
    "short binary": (
        pa.array([b"\x00\xff", b"\x01\x00", b"ab", b"a\x00"], pa.binary(2)),
        ["00ff", "0100", "6162", "6100"],
    ),
    "integers": (pa.array([3, 1, 2, -7]), ["3", "1", "2", "-7"]),
    "large integers": (pa.array([2**64 - 1, 0, 1, 2], pa.uint64()), ["18446744073709551615", "0", "1", "2"]),
    "string views": (pa.array(list("abcd"), pa.string_view()), list("abcd")),
    "a dictionary": (pa.array(list("abcd")).dictionary_encode(), list("abcd")),
}


@pytest.mark.parametrize("name", TOLD_APART)
def test_ids_that_tell_rows_apart_become_text(tmp_path: Path, name: str) -> None:
    ids, texts = TOLD_APART[name]

    samples = loaded(arrow_stream(tmp_path / "data.arrow", id=ids, x=[0.5, 1.5, 2.5, 3.5], label=[0, 1, 0, 1]))

    assert samples.sample_key is not None
    assert samples.sample_key.to_pylist() == texts
    assert not samples.warnings


@pytest.mark.parametrize(
    ("ids", "fact"),
    [
        (["a", "b", "a", "c"], "'id' holds 3 different values in 4 rows."),
        (["a", None, "b", None], "'id' holds 2 different values in 4 rows, 2 of them null."),
        (pa.array([BYTES[0], BYTES[1]] * 2, pa.uuid()), "'id' holds 2 different values in 4 rows."),
        (pa.array([BYTES[0], None] * 2, pa.binary(16)), "'id' holds 1 different values in 4 rows, 2 of them null."),
        ([0.5, 1.5, 2.5, 3.5], "'id' is of type double, which holds no ids."),
        ([[1], [2], [3], [4]], "'id' is of type list<element: int64>, which holds no ids."),
    ],
)
def test_ids_that_do_not_tell_rows_apart_are_a_warning(tmp_path: Path, ids: Any, fact: str) -> None:
    path = parquet(tmp_path / "data.parquet", id=ids, x=[0.5, 1.5, 2.5, 3.5], label=[0, 1, 0, 1])

    samples = loaded(path)
    with limited(Budget(60, 1 << 30, preview_seconds=60)):
        summary = inspected(path)

    assert samples.sample_key is None
    (warning,) = samples.warnings
    assert (warning.code, warning.message.startswith(fact)) == ("keys_not_unique", True)
    assert summary.warnings == samples.warnings


@pytest.mark.parametrize("choices", [{"input": "id"}, {"input": ["x", "id"]}, {"input": "text", "task": TEXTS}])
def test_ids_that_are_inputs_too_are_kept(tmp_path: Path, choices: dict[str, Any]) -> None:
    path = parquet(tmp_path / "data.parquet", id=[3, 1, 2, 7], x=[0.5] * 4, text=list("abcd"), label=[0, 1, 0, 1])

    keys = loaded(path, **choices).sample_key

    assert keys is not None
    assert keys.to_pylist() == ["3", "1", "2", "7"]


@pytest.mark.parametrize(("choices", "kinds"), [({"target": "id"}, 4), ({"target": ["id", "label"]}, 2)])
def test_a_target_is_no_id(tmp_path: Path, choices: dict[str, Any], kinds: int) -> None:
    ids = [0, 1, 2, 3] if kinds == 4 else [0, 1, 1, 0]
    samples = loaded(parquet(tmp_path / "data.parquet", id=ids, x=[0.5] * 4, label=[0, 1, 0, 1]), **choices)

    assert samples.sample_key is None
    assert not samples.warnings


def test_images_are_no_ids(tmp_path: Path) -> None:
    path = parquet(tmp_path / "data.parquet", id=[image(value) for value in range(4)], label=[0, 1, 0, 1])

    assert loaded(path, input="id", task=IMAGES).sample_key is None


def test_ids_that_begin_anew_in_each_file_are_a_warning(tmp_path: Path) -> None:
    for part in range(2):
        parquet(tmp_path / f"{part}.parquet", id=range(300), x=[0.5] * 300, label=[0, 1] * 150)

    (warning,) = loaded(tmp_path).warnings

    assert "'id' holds 300 different values in 600 rows" in warning.message


def test_repeated_ids_show_in_the_first_rows(tmp_path: Path) -> None:
    ids = [row // 2 for row in range(600)]
    path = parquet(tmp_path / "data.parquet", id=ids, x=[0.5] * 600, label=[0, 1] * 300)

    with limited(Budget(60, 1 << 30, preview_seconds=60)):
        (warning,) = inspected(path).warnings

    assert "'id' holds 128 different values in the first 256 rows" in warning.message


def test_more_text_than_an_array_of_strings_holds_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ted_core.datasets.columns.sample_keys.MOST_STRING_BYTES", 39)
    path = parquet(tmp_path / "data.parquet", id=[10 * letter for letter in "abcd"], x=[0.5] * 4, label=[0, 1, 0, 1])

    keys = loaded(path).sample_key

    assert keys is not None
    assert keys.type == pa.large_string()
    assert keys.to_pylist() == [10 * letter for letter in "abcd"]
