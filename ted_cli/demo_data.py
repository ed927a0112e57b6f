"""scikit-learn's handwritten digits (UCI Optical Recognition, test part) as Parquet files of PNG images."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from sklearn.datasets import load_digits

from ted_core.random_streams import Stream, stream_rng

BRIGHTEST = 16
TEST_SHARE = 0.25


def write_digits(folder: Path, *, seed: int = 0) -> tuple[Path, Path]:
    """Write a training and a test file with the columns ``image`` and ``label``, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    data = load_digits()
    order = stream_rng(seed, Stream.DEMO_SPLIT).permutation(len(data.target))
    test, train = np.split(order, [round(TEST_SHARE * len(order))])
    return _write(folder / "train.parquet", data, train), _write(folder / "test.parquet", data, test)


def _write(path: Path, data: object, rows: np.ndarray) -> Path:
    images, labels = data.images[rows], data.target[rows]  # type: ignore[attr-defined]
    pixels = (images * (255 / BRIGHTEST)).astype(np.uint8)
    pq.write_table(pa.table({"image": [_png(image) for image in pixels], "label": labels}), path)
    return path


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
