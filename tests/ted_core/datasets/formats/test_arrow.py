"""Arrow IPC, and the folders of it that Hugging Face datasets write."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import ipc

from ted_core.datasets import Samples, Texts
from ted_core.errors import (
    DatasetEmpty,
    DatasetNotAllowed,
    DatasetUnreadable,
    SchemasDiffer,
    TedError,
    UnusableInputs,
)
from tests.ted_core.datasets import files
from tests.ted_core.datasets.files import TEXTS, arrow_file, arrow_stream, saved_to_disk

COLUMNS: dict[str, Any] = {"x": [1.0, 2.0, 3.0, 4.0, 5.0], "text": list("abcde"), "label": [0, 1, 0, 1, 0]}
KINDS = {"file": ipc.new_file, "stream": ipc.new_stream}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.arrow"


def loaded(path: Path, **choices: Any) -> Samples:
    return files.loaded(path, **{"format": "arrow"} | choices)


def refused_on_sight(error: type[TedError], path: Path, **choices: Any) -> TedError:
    return files.refused_on_sight(error, path, **{"format": "arrow"} | choices)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
def test_files_and_streams_are_read_compressed_or_not(path: Path, kind: str, compression: str | None) -> None:
    table = pa.table(COLUMNS)
    with KINDS[kind](path, table.schema, options=ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=2)

    assert files.inspected(path, format="arrow").rows == 5
    assert loaded(path, input="x").inputs[:, 0].tolist() == COLUMNS["x"]


def test_a_folder_of_files_and_streams_is_read_in_name_order(tmp_path: Path) -> None:
    arrow_stream(tmp_path / "b.arrow", x=[3, 4], label=[1, 0])
    arrow_file(tmp_path / "a.feather", x=[1, 2], label=[0, 1])

    assert loaded(tmp_path).inputs[:, 0].tolist() == [1, 2, 3, 4]


def test_dictionaries_may_differ_from_batch_to_batch(path: Path) -> None:
    cities = [pa.array(values).dictionary_encode() for values in (["a", "b"], ["c", "b"])]
    batches = [pa.record_batch({"city": city, "label": [0, 1]}) for city in cities]
    with ipc.new_stream(path, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)

    assert loaded(path, input="city").inputs.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0]]


def test_columns_that_arrow_has_and_we_have_not_are_refused_where_they_are_used(path: Path) -> None:
    arrow_file(path, x=pa.array([1, 2], pa.timestamp("s")), y=[1, 2], label=[0, 1])

    assert refused_on_sight(UnusableInputs, path, input="x").field == "dataset.input"
    assert loaded(path).inputs.tolist() == [[1], [2]]


@pytest.mark.parametrize(
    "content", [b"", b"ARROW1", b"x,label\n1,0\n", b"PAR1" * 100, b"\xff\xff\xff\xff\xff\xff\xff\x7f"]
)
def test_what_is_no_arrow_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    error = refused_on_sight(DatasetUnreadable, path)

    assert error.field == "dataset.format"
    assert "data.arrow is not an Arrow file" in error.fact


@pytest.mark.parametrize("write", [arrow_file, arrow_stream])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_cut_short_is_refused(path: Path, write: Any, share: float) -> None:
    whole = write(path, **COLUMNS).read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])

    assert "data.arrow" in refused_on_sight(DatasetUnreadable, path).fact


def test_files_of_another_schema_are_refused_with_what_differs(tmp_path: Path) -> None:
    arrow_file(tmp_path / "a.arrow", x=[1], label=[0])
    arrow_file(tmp_path / "b.arrow", x=["1"], label=[0])

    assert (
        "b.arrow differs from the first file in x: int64, x: string" in refused_on_sight(SchemasDiffer, tmp_path).fact
    )


def test_a_file_without_rows_is_refused(path: Path) -> None:
    arrow_file(path, x=pa.array([], pa.int64()), label=pa.array([], pa.int64()))

    refused_on_sight(DatasetEmpty, path)


def test_a_file_without_columns_is_refused(path: Path) -> None:
    arrow_file(path)

    assert refused_on_sight(TedError, path).field is not None


def test_offsets_that_lead_astray_are_refused_before_they_are_followed(path: Path) -> None:
    right, wrong = (np.array(offsets, np.int32).tobytes() for offsets in ([0, 1, 2], [0, 1, 2**30]))
    whole = arrow_file(path, text=["a", "b"], label=[0, 1]).read_bytes()
    path.unlink()
    path.write_bytes(whole.replace(right, wrong))

    assert "damaged" in files.refused(DatasetUnreadable, path, format="arrow", task=TEXTS).fact


@given(st.data())
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_byte_is_damaged_the_error_is_one_of_ours(path: Path, data: st.DataObject) -> None:
    write = data.draw(st.sampled_from([arrow_file, arrow_stream]))
    content = bytearray(write(path, **COLUMNS).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.unlink()  # what is mapped into memory must not change under its reader
    path.write_bytes(content)

    try:
        samples = loaded(path, task=TEXTS)
    except TedError as error:
        assert error.field is not None
    else:
        assert isinstance(samples.inputs, Texts)
        assert len(samples.inputs.parts[0].to_pylist()) == samples.rows


# --- Hugging Face datasets --------------------------------------------------------------------------------------------


def saved(folder: Path, **choices: Any) -> Samples:
    return files.loaded(folder, **{"format": "hf", "input": "x"} | choices)


def state(folder: Path, content: Any) -> None:
    (folder / "state.json").write_text(json.dumps(content))


def test_rows_come_in_the_order_that_the_state_tells(tmp_path: Path) -> None:
    folder = saved_to_disk(tmp_path / "data", **COLUMNS)
    assert saved(folder).inputs[:, 0].tolist() == [1, 2, 3, 4, 5]

    names = sorted(file.name for file in folder.glob("*.arrow"))
    state(folder, {"_data_files": [{"filename": name} for name in reversed(names)]})

    assert saved(folder).inputs[:, 0].tolist() == [2, 3, 4, 5, 1]


def test_files_that_the_state_does_not_list_are_left_alone(tmp_path: Path) -> None:
    folder = saved_to_disk(tmp_path / "data", **COLUMNS)
    arrow_stream(folder / "cache-1234.arrow", x=[9.0])

    assert saved(folder).rows == 5


def test_a_folder_of_several_datasets_is_refused_with_their_names(tmp_path: Path) -> None:
    saved_to_disk(tmp_path / "train", **COLUMNS)
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')

    error = files.refused_on_sight(DatasetUnreadable, tmp_path, format="hf")

    assert error.field == "dataset.uri"
    assert error.fact.endswith("is a DatasetDict of train, test; set dataset.split to one of them")
    assert saved(tmp_path / "train").rows == 5


def test_a_folder_that_was_not_saved_to_disk_is_refused(tmp_path: Path) -> None:
    arrow_file(tmp_path / "data.arrow", **COLUMNS)

    for path in (tmp_path, tmp_path / "data.arrow", tmp_path / "*.arrow"):
        assert files.refused_on_sight(DatasetUnreadable, path, format="hf").field == "dataset.format"


@pytest.mark.parametrize(
    "content",
    [[], {}, {"_data_files": []}, {"_data_files": ["a"]}, {"_data_files": [{"filename": 5}]}, {"_data_files": None}],
)
def test_a_state_that_lists_no_files_is_refused(tmp_path: Path, content: Any) -> None:
    folder = saved_to_disk(tmp_path / "data", **COLUMNS)
    state(folder, content)

    assert files.refused_on_sight(DatasetUnreadable, folder, format="hf").field == "dataset.uri"


@pytest.mark.parametrize("name", ["../other.arrow", "/etc/passwd", "deep/data.arrow", "missing.arrow", "", "."])
def test_files_elsewhere_are_not_read(tmp_path: Path, name: str) -> None:
    arrow_file(tmp_path / "other.arrow", **COLUMNS)
    folder = saved_to_disk(tmp_path / "data", **COLUMNS)
    state(folder, {"_data_files": [{"filename": name}]})

    with pytest.raises((DatasetUnreadable, DatasetNotAllowed)):
        files.inspected(folder, format="hf")


def test_a_selection_kept_apart_is_refused_instead_of_ignored(tmp_path: Path) -> None:
    folder = saved_to_disk(tmp_path / "data", **COLUMNS)
    state(folder, {"_data_files": [{"filename": "data-00000-of-00002.arrow"}], "_indices_files": [{"filename": "i"}]})

    assert "flatten_indices" in files.refused_on_sight(DatasetUnreadable, folder, format="hf").fact
