"""What models are given → a digest of its content."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ted_core.datasets.samples import Inputs, Texts
from ted_core.storage.digests import ContentDigest, combined_digest

CHUNK = 8192
"""Rows that are hashed at a time."""


def digest_of(inputs: Inputs) -> str:
    """The hexadecimal SHA-256 of all pixels, numbers, texts or turns, however they are cut into chunks."""
    if isinstance(inputs, np.ndarray):
        return _of_array(inputs)
    if isinstance(inputs, Texts):
        tables = {"texts": {str(number): part for number, part in enumerate(inputs.parts)}}
    else:
        turns = pc.list_flatten(inputs.turns)
        lengths = pc.list_value_length(inputs.turns).cast(pa.int64())
        fields = {field.name: pc.struct_field(turns, field.name) for field in turns.type}
        tables = {"dialogues": {"turns": lengths}, "turns": fields}
    return combined_digest({name: _content(pa.table(columns)) for name, columns in tables.items()})


def _of_array(array: np.ndarray) -> str:
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    for row in array:
        digest.update(np.ascontiguousarray(row).data)
    return digest.hexdigest()


def _content(table: pa.Table) -> ContentDigest:
    digest = ContentDigest(table.schema)
    for batch in table.to_batches(max_chunksize=CHUNK):
        digest.update(batch)
    return digest
