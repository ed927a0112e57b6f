"""The identity of a table's content: equal for equal values, however they are encoded or cut into batches."""

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NULL_LENGTH = -1


class ContentDigest:
    """SHA-256 over the columns of an Arrow table, fed batch by batch.

    A number column contributes its little-endian values, a text column (dictionary-encoded or not) the lengths of its
    values in bytes as int64, -1 for null, and then their UTF-8 bytes; each column under its own hash, so that batch
    boundaries leave no trace. The digest is the SHA-256 of the JSON list of ``[name, hash, …]`` in schema order.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._columns = [(field.name, _hash_of(field.type)) for field in schema]

    def update(self, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch of the same schema."""
        for (_, column), values in zip(self._columns, batch.columns, strict=True):
            column.update(values)

    def digests(self) -> list[list[str]]:
        """For each column its name and its hashes."""
        return [[name, *column.digests()] for name, column in self._columns]

    def of_numbers(self, name: str) -> str:
        """The hash of one number column; of row indices, it is their ``indices_digest``."""
        ((digest,),) = (digests for column, *digests in self.digests() if column == name)
        return digest


def combined_digest(tables: Mapping[str, ContentDigest]) -> str:
    """One hexadecimal digest for several named tables, in the order given."""
    facts = [[name, digest.digests()] for name, digest in tables.items()]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def indices_digest(indices: np.ndarray) -> str:
    """The hexadecimal SHA-256 of row indices as little-endian uint64."""
    return hashlib.sha256(np.ascontiguousarray(indices, dtype="<u8").data).hexdigest()


class _Numbers:
    def __init__(self) -> None:
        self._values = hashlib.sha256()

    def update(self, values: pa.Array) -> None:
        array = values.to_numpy(zero_copy_only=False)
        self._values.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).data)

    def digests(self) -> list[str]:
        return [self._values.hexdigest()]


class _Texts:
    def __init__(self) -> None:
        self._lengths, self._bytes = hashlib.sha256(), hashlib.sha256()

    def update(self, values: pa.Array) -> None:
        plain = values.cast(pa.large_string())
        lengths = pc.fill_null(pc.binary_length(plain), NULL_LENGTH)
        self._lengths.update(lengths.to_numpy(zero_copy_only=False).astype("<i8", copy=False).data)
        self._bytes.update(_utf8(plain.drop_null() if plain.null_count else plain))

    def digests(self) -> list[str]:
        return [self._lengths.hexdigest(), self._bytes.hexdigest()]


def _utf8(values: pa.LargeStringArray) -> memoryview:
    """The bytes of all values, none of which is null, one after another."""
    _, offsets, data = values.buffers()
    if len(values) == 0 or data is None:
        return memoryview(b"")
    bounds = np.frombuffer(offsets, dtype="<i8")[values.offset : values.offset + len(values) + 1]
    return memoryview(data)[bounds[0] : bounds[-1]]


def _hash_of(kind: pa.DataType) -> _Numbers | _Texts:
    textual = (pa.types.is_dictionary, pa.types.is_string, pa.types.is_large_string)
    return _Texts() if any(is_kind(kind) for is_kind in textual) else _Numbers()
