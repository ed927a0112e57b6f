"""Single rows are read again as the files have them, and no more of these than need be."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ted_core.datasets import read_rows
from ted_core.datasets.formats.row_format import picked_rows
from ted_core.errors import TedError
from tests.ted_core.datasets.files import IMAGES, TABLE, image, parquet, spec
from tests.ted_core.datasets.formats.test_formats_agree import (
    CASES,
    CHOICES,
    COLUMNS,
    DIALOGUES,
    KEYS,
    LABELS,
    PIXELS,
    ROW_FORMATS,
    ROWS,
    TEXTS,
)

WANTED = [0, 3, 6]
NAMES = {IMAGES: ["image"], TABLE: ["age", "city"], TEXTS: ["text"], DIALOGUES: ["prompt", "response"]}


def found(path: Path, rows: Sequence[int], *, columns: Sequence[str], **choices: Any) -> list[dict[str, Any]]:
    batches = list(read_rows(spec(path, **choices), rows, columns=columns, roots=[path.parent]))
    assert all(batch.num_rows == 1 for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize(("task", "name"), CASES)
def test_rows_are_those_of_the_file_in_every_format(tmp_path: Path, task: str, name: str) -> None:
    form, file, write = ROW_FORMATS[name]
    path, choices = write(tmp_path / file, **COLUMNS[task]), CHOICES.get(name, {})

    for rows in (WANTED, [4], range(ROWS), []):
        expected = [{column: COLUMNS[task][column][row] for column in NAMES[task]} for row in rows]
        assert found(path, rows, columns=NAMES[task], format=form, task=task, **choices) == expected


def test_images_in_folders_are_found_in_the_order_of_their_rows(tmp_path: Path) -> None:
    for pixels, label, key in zip(PIXELS, LABELS, KEYS, strict=True):
        (tmp_path / "data" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / label / f"{key}.png").write_bytes(image(pixels))
    order = sorted(range(ROWS), key=lambda row: (LABELS[row], KEYS[row]))

    rows = found(tmp_path / "data", WANTED, columns=["image"], format="image-folder", task=IMAGES)

    assert rows == [{"image": image(PIXELS[order[row]])} for row in WANTED]


@pytest.mark.parametrize("by_column", [False, True])
def test_rows_of_arrays_are_lists_of_numbers(tmp_path: Path, by_column: bool) -> None:
    values = np.arange(12, dtype=np.float32).reshape(6, 2) / 4
    np.savez(tmp_path / "data.npz", x=np.asfortranarray(values) if by_column else values, y=np.arange(6) % 2)

    assert found(tmp_path / "data.npz", [1, 5], columns=["x"]) == [{"x": [0.5, 0.75]}, {"x": [2.5, 2.75]}]


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_images_in_arrays_become_files(tmp_path: Path, channels: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 5, *channels), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", x=pixels, y=np.arange(4) % 2)
    as_stored = [
        image(row.squeeze(-1) if channels == (1,) else row, mode="RGB" if channels == (3,) else "L") for row in pixels
    ]

    rows = found(tmp_path / "data.npz", [0, 3], columns=["x"], task=IMAGES)

    assert rows == [{"x": as_stored[0]}, {"x": as_stored[3]}]


# --- no more than need be ---------------------------------------------------------------------------------------------


def without_values(path: Path, *, groups: Sequence[int]) -> Path:
    """The file with the first column of these row groups overwritten."""
    footer, content = pq.read_metadata(path), bytearray(path.read_bytes())
    for group in groups:
        chunk = footer.row_group(group).column(0)
        start = chunk.dictionary_page_offset or chunk.data_page_offset
        content[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(content)
    return path


def test_of_a_parquet_file_only_the_row_groups_that_are_asked_for_are_read(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({"x": range(300), "label": [0, 1] * 150}), path, row_group_size=100)

    without_values(path, groups=(0, 2))

    assert found(path, [100, 150, 199], columns=["x"]) == [{"x": 100}, {"x": 150}, {"x": 199}]
    with pytest.raises(TedError):
        found(path, [99], columns=["x"])


def test_the_values_of_files_without_any_of_the_rows_are_left_alone(tmp_path: Path) -> None:
    for number in range(3):
        parquet(tmp_path / f"part-{number}.parquet", x=[10 * number, 10 * number + 1], label=[0, 1])

    for number in (0, 2):
        without_values(tmp_path / f"part-{number}.parquet", groups=[0])

    assert found(tmp_path / "part-*.parquet", [2, 3], columns=["x"]) == [{"x": 10}, {"x": 11}]


def test_nothing_is_read_after_the_last_of_the_rows() -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        for start in (0, 10, 10, 20):
            yield pa.record_batch({"x": list(range(start, start + 10))})
        raise AssertionError("nobody needs this")

    rows = [batch.to_pylist() for batch in picked_rows(batches(), [9, 10, 39])]

    assert rows == [[{"x": 9}], [{"x": 10}], [{"x": 29}]]
