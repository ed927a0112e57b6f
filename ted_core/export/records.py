"""Rows as JSON, or as CSV: one file, to which blocks are appended."""

import io
import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv

from ted_core.datasets.columns.types import is_bytes
from ted_core.export.errors import ExportUnsuited
from ted_core.export.form import ExportForm, append
from ted_core.export.retained_rows import ExportBlock, ExportedDataset

ROWS_AT_A_TIME = 4096
Records = Callable[[ExportBlock, ExportedDataset], Iterator[Any]]


def records(block: ExportBlock, _: ExportedDataset) -> Iterator[Any]:
    """Yield each row as an object of its columns."""
    for batch in block.table.to_batches(ROWS_AT_A_TIME):
        yield from batch.to_pylist()


def check_text(dataset: ExportedDataset) -> None:
    """Raise ExportUnsuited for columns of bytes, which text cannot hold."""
    for field in dataset.schema or ():
        if _holds_bytes(field.type):
            raise ExportUnsuited(f"Column {field.name!r} holds bytes, which are no text")
    if dataset.schema is None and dataset.spec.base_task == "image-classification":
        raise ExportUnsuited("The dataset's images are bytes, which are no text")


def _holds_bytes(data_type: pa.DataType) -> bool:
    inner = [data_type.field(index).type for index in range(data_type.num_fields)]
    return is_bytes(data_type) or any(map(_holds_bytes, inner))


def as_json(value: Any) -> str:
    """Return the value as JSON on one line. Raises ExportUnsuited for what JSON cannot hold, such as NaN."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_as_text)
    except (ValueError, TypeError) as error:
        raise ExportUnsuited(f"A row holds what JSON cannot ({error})") from error


def _as_text(value: object) -> str:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def json_lines(name: str, rows: Records, folder: Path, block: ExportBlock, dataset: ExportedDataset) -> None:
    """Append the block to the file of this name, one object a line."""
    append(folder / name, "".join(f"{as_json(row)}\n" for row in rows(block, dataset)).encode())


def json_array(name: str, rows: Records, folder: Path, block: ExportBlock, dataset: ExportedDataset) -> None:
    """Append the block to an array, which ``close_array`` ends."""
    lines = ",\n".join(as_json(row) for row in rows(block, dataset))
    append(folder / name, f"{',' if block.start else '['}\n{lines}".encode())


def close_array(name: str, folder: Path, _: ExportedDataset, blocks: int) -> None:
    """End the array; an empty one if there were no blocks."""
    append(folder / name, b"\n]\n" if blocks else b"[]\n")


def array_form(name: str, rows: Records, **more: Any) -> ExportForm:
    """Return the form of one JSON array in a file of this name."""
    return ExportForm(write=partial(json_array, name, rows), finish=partial(close_array, name), grows=(name,), **more)


def lines_form(name: str, rows: Records, **more: Any) -> ExportForm:
    """Return the form of a file of this name with one object a line."""
    return ExportForm(write=partial(json_lines, name, rows), grows=(name,), **more)


# --- csv --------------------------------------------------------------------------------------------------------------


def _check_flat(dataset: ExportedDataset) -> None:
    check_text(dataset)
    for field in dataset.schema or ():
        if pa.types.is_nested(field.type):
            raise ExportUnsuited(f"Column {field.name!r} holds lists or records, which CSV has no notation for")
    if dataset.schema is None:
        raise ExportUnsuited("The dataset's rows are lists of numbers, which CSV has no notation for")


def _write_csv(folder: Path, block: ExportBlock, _: ExportedDataset) -> None:
    target = io.BytesIO()
    csv.write_csv(block.table, target, csv.WriteOptions(include_header=not block.start))
    append(folder / "data.csv", target.getvalue())


JSONL = lines_form(
    "data.jsonl", records, check=check_text, guide='`datasets.load_dataset("json", data_files="data.jsonl")`'
)
JSON = array_form("data.json", records, check=check_text, guide='`json.load(open("data.json"))`, `pandas.read_json`')
CSV = ExportForm(
    guide='`pandas.read_csv("data.csv")`; a missing value is empty, an empty text is `""`',
    check=_check_flat,
    write=_write_csv,
    grows=("data.csv",),
)
