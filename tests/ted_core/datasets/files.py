"""Data sets on disk, and what reading them gives."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ted_core.datasets import DatasetSpec, DatasetSummary, Limits, Samples, inspect, load
from ted_core.errors import TedError

TABLE, IMAGES = "tabular-classification", "image-classification"


def parquet(path: Path, **columns: Any) -> Path:
    """A Parquet file with these columns."""
    pq.write_table(pa.table(columns), path)
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
