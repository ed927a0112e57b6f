"""The two files as schema version 1 laid them out."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ted_core.results.manifest import METADATA_KEY

CATEGORY = pa.dictionary(pa.int32(), pa.string())
MANIFEST = pa.schema(
    [
        pa.field("row_index", pa.uint64(), nullable=False),
        pa.field("shard", pa.uint32(), nullable=False),
        pa.field("row_in_shard", pa.uint64(), nullable=False),
        pa.field("sample_key", pa.string()),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("weight", pa.float32(), nullable=False),
        pa.field("label", CATEGORY),
    ]
)
DECISIONS = pa.schema(
    [
        pa.field("row_index", pa.uint64(), nullable=False),
        pa.field("sample_key", pa.string()),
        pa.field("kept", pa.bool_(), nullable=False),
        pa.field("internal_generalization", pa.float32(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("rank", pa.uint64(), nullable=False),
        pa.field("last_round", pa.uint16(), nullable=False),
        pa.field("reason", CATEGORY, nullable=False),
        pa.field("base_performance", pa.float32()),
        pa.field("label", CATEGORY),
    ]
)
PLAN = {"method": "ted", "q": "auto", "score": "logit", "rounds": None, "class_floor": 0.0, "seed": 0}
"""All but the keep ratio; ``class_balance`` came later."""


def as_version_1(path: Path, schema: pa.Schema) -> Path:
    """Replace a file by what version 1 would have written of it, and return its path."""
    table = pq.read_table(path)
    facts: dict[str, Any] = json.loads(table.schema.metadata[METADATA_KEY])
    facts |= {"schema_version": 1, "plan": PLAN | {"keep_ratio": facts["plan"]["keep_ratio"]}}
    described = schema.with_metadata({METADATA_KEY: json.dumps(facts)})
    pq.write_table(table.select(schema.names).cast(schema).replace_schema_metadata(described.metadata), path)
    return path
