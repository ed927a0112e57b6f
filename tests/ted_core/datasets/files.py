"""Data sets on disk, and what reading them gives."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pyarrow import ipc

from ted_core.datasets import DatasetSpec, DatasetSummary, Limits, Samples, inspect, load
from ted_core.datasets.formats.text.json_objects import ObjectReader
from ted_core.datasets.sources.base import Source
from ted_core.errors import TedError

TABLE, IMAGES = "tabular-classification", "image-classification"
TEXTS, DIALOGUES = "text-classification", "causal-lm"


def parquet(path: Path, **columns: Any) -> Path:
    """A Parquet file with these columns."""
    pq.write_table(pa.table(columns), path)
    return path


def jsonl(path: Path, **columns: Any) -> Path:
    """A file of JSON objects, one per row; what is null is left out."""
    rows = pa.table(columns).to_pylist()
    present = [{name: value for name, value in row.items() if value is not None} for row in rows]
    return lines(path, *map(json.dumps, present))


def lines(path: Path, *content: str) -> Path:
    """A file with these lines of text."""
    path.write_text("".join(f"{line}\n" for line in content))
    return path


def arrow_file(path: Path, **columns: Any) -> Path:
    """An Arrow file with these columns, two rows to a batch."""
    return _ipc(path, pa.table(columns), ipc.new_file)


def arrow_stream(path: Path, **columns: Any) -> Path:
    """An Arrow stream with these columns, two rows to a batch."""
    return _ipc(path, pa.table(columns), ipc.new_stream)


def _ipc(path: Path, table: pa.Table, opened: Callable[..., Any]) -> Path:
    with opened(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return path


def saved_to_disk(path: Path, **columns: Any) -> Path:
    """A folder as Hugging Face datasets write it: the rows in two Arrow streams, the second longer than the first."""
    path.mkdir()
    table = pa.table(columns)
    parts = [table.slice(0, len(table) // 3), table.slice(len(table) // 3)]
    names = [f"data-{number:05}-of-00002.arrow" for number in range(2)]
    for name, part in zip(names, parts, strict=True):
        _ipc(path / name, part, ipc.new_stream)
    (path / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    (path / "dataset_info.json").write_text("{}")
    return path


def image(
    value: int | np.ndarray = 0, *, size: tuple[int, int] = (8, 8), mode: str = "RGB", kind: str = "PNG"
) -> bytes:
    """An encoded image: one brightness all over, or these pixels."""
    pixels = np.full(size[::-1], value, np.uint8) if isinstance(value, int) else value
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def spec(path: Path, **choices: Any) -> DatasetSpec:
    """The data set at this path; a table unless told otherwise."""
    return DatasetSpec.model_validate({"uri": str(path), "task": TABLE} | choices)


def inspected(path: Path, **choices: Any) -> DatasetSummary:
    """What the headers of the data set tell."""
    return inspect(spec(path, **choices), roots=[path.parent])


def loaded(path: Path, *, limits: Limits | None = None, **choices: Any) -> Samples:
    """The data set in memory."""
    return load(spec(path, **choices), roots=[path.parent], limits=limits)


def objects(reader: ObjectReader, *paths: Path) -> list[dict[str, Any]]:
    """What a reader of JSON makes of the files, as Python values."""
    sources = [Source.at(path) for path in paths]
    text = DatasetSpec(uri="/", task=TEXTS)
    schema, _ = reader.schema_summary(sources, text)
    return [row for batch in reader.batches(sources, schema.names, text) for row in batch.to_pylist()]


def refused_on_sight(error: type[TedError], path: Path, **choices: Any) -> TedError:
    """The error that already the headers show."""
    with pytest.raises(error) as refusal:
        inspected(path, **choices)
    return refusal.value


def refused(error: type[TedError], path: Path, *, limits: Limits | None = None, **choices: Any) -> TedError:
    """The error that loading raises."""
    with pytest.raises(error) as refusal:
        loaded(path, limits=limits, **choices)
    return refusal.value
