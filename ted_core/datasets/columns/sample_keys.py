"""The dataset's own ids, one per row, as strings: of text and numbers as they are, of bytes of one length as
hexadecimal digits."""

import pyarrow as pa
import pyarrow.compute as pc

from ted_core.datasets.columns.plain_types import hexadecimal
from ted_core.datasets.columns.types import is_label, without_dictionaries
from ted_core.datasets.findings import warn
from ted_core.warnings import WarningCode

MOST_STRING_BYTES = (1 << 31) - 1
"""What Arrow's ``string`` can hold in one array; ``large_string`` holds more."""
FIELD = "dataset.uri"


def sample_keys(column: pa.ChunkedArray | None, *, name: str | None = None, scope: str = "") -> pa.Array | None:
    """Return the ids as strings; None if there are none, or, with a warning, if they are not distinct.

    ``scope`` says which rows these are, unless it is all of them.
    """
    if column is None:
        return None
    if not (is_label(column.type) or pa.types.is_fixed_size_binary(column.type)):
        warn(WarningCode.KEYS_NOT_UNIQUE, f"{name!r} is of type {column.type}, which holds no ids", field=FIELD)
        return None
    texts = _texts(without_dictionaries(column))
    if (distinct := pc.count_distinct(texts, mode="only_valid").as_py()) < len(texts):
        nulls = f", {texts.null_count:,} of them null" if texts.null_count else ""
        fact = f"{name!r} holds {distinct:,} different values in {scope or f'{len(texts):,} rows'}{nulls}"
        warn(WarningCode.KEYS_NOT_UNIQUE, fact, field=FIELD)
        return None
    return _in_one_array(texts)


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """As large strings: Arrow can tell no more than 2 GiB of strings apart."""
    if pa.types.is_fixed_size_binary(column.type):
        column = pa.chunked_array([hexadecimal(chunk) for chunk in column.chunks], pa.string())
    return column.cast(pa.large_string())


def _in_one_array(texts: pa.ChunkedArray) -> pa.Array:
    size = pc.sum(pc.binary_length(texts)).as_py() or 0
    return (texts.cast(pa.string()) if size <= MOST_STRING_BYTES else texts).combine_chunks()
