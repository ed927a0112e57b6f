"""Files that are hard to look at."""

import gzip
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ted_core.datasets import DatasetSpec
from ted_core.datasets.inspection_messages import InspectionRequest

MANY = 2_000_000


def small_table(path: Path) -> Path:
    """A table with a footer of some hundred bytes."""
    pq.write_table(pa.table({"x": [0.5, 1.5] * 20, "label": [0, 1] * 20}), path)
    return path


def request(path: Path, **choices: str) -> InspectionRequest:
    """Look at this table."""
    spec = DatasetSpec.model_validate({"uri": str(path), "task": "tabular-classification"} | choices)
    return InspectionRequest(spec=spec, roots=(path.parent,))


def slow_jsonl(path: Path) -> Path:
    """A text of a few kilobytes, compressed, whose rows take far longer than the budget to count."""
    path.write_bytes(gzip.compress(b'{"x":1,"label":0}\n{"x":2,"label":1}\n' * MANY))
    return path


def with_flipped_bits(path: Path, *, seed: int) -> bytes:
    """The table with up to four of its footer's bits flipped."""
    content, chance = bytearray(path.read_bytes()), random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    footer = range(len(content) - 8 - int.from_bytes(content[-8:-4], "little"), len(content) - 8)
    for _ in range(chance.randint(1, 4)):
        content[chance.choice(footer)] ^= 1 << chance.randrange(8)
    return bytes(content)
