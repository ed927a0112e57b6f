"""Small datasets: some that can be used, and one for each way in which one cannot."""

import io
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

ROWS = 40


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8), shade).save(buffer, "PNG")
    return buffer.getvalue()


IMAGES = [png(6 * row) for row in range(ROWS)]
LABELS = [row % 4 for row in range(ROWS)]
NUMBERS = [row / ROWS for row in range(ROWS)]

TABLES = {
    "images": {"image": IMAGES, "label": LABELS},
    "numbers": {"length": NUMBERS, "width": NUMBERS[::-1], "label": LABELS},
    "several_labels": {"image": IMAGES, "label": [[label, 9] for label in LABELS]},
    "null_image": {"image": [None, *IMAGES[1:]], "label": LABELS},
    "null_number": {"length": [None, *NUMBERS[1:]], "label": LABELS},
    "null_label": {"image": IMAGES, "label": [None, *LABELS[1:]]},
    "float_labels": {"image": IMAGES, "label": NUMBERS},
    "numbers_as_images": {"image": NUMBERS, "label": LABELS},
    "days": {"day": [date(2026, 1, 1 + row % 28) for row in range(ROWS)], "label": LABELS},
}


def write(folder: Path) -> None:
    """Every dataset, each as ``<name>.parquet`` or under the name that tells what is wrong with it."""
    for name, columns in TABLES.items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    pq.write_table(_empty(), folder / "empty.parquet")
    pq.write_table(_column_twice(), folder / "column_twice.parquet")
    (folder / "text.parquet").write_text("image,label\n")
    (folder / "zero_bytes.parquet").write_bytes(b"")
    (folder / "truncated.parquet").write_bytes((folder / "images.parquet").read_bytes()[:-100])
    (folder / "no_files").mkdir()
    _write_parts(folder / "parts", [TABLES["images"], TABLES["images"]])
    _write_parts(folder / "other_type", [TABLES["images"], TABLES["images"] | {"label": ["a", "b"] * (ROWS // 2)}])
    _write_parts(folder / "other_column", [TABLES["images"], TABLES["numbers"]])
    np.savez(folder / "digits.npz", x=np.zeros((ROWS, 8, 8), np.uint8), y=np.array(LABELS))


def _empty() -> pa.Table:
    return pa.table(TABLES["images"]).slice(0, 0)


def _column_twice() -> pa.Table:
    return pa.table([pa.array(IMAGES), pa.array(LABELS), pa.array(LABELS)], names=["image", "label", "label"])


def _write_parts(folder: Path, parts: list[dict[str, list[object]]]) -> None:
    folder.mkdir()
    for number, columns in enumerate(parts):
        pq.write_table(pa.table(columns), folder / f"part-{number}.parquet")
