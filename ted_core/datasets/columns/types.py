"""What Arrow columns can be used for, judging by their types; and what every use of them needs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import lib

from ted_core.datasets.row_locations import SHOWN, RowLocations
from ted_core.errors import MissingValues, TedError

KEY_NAMES = ("sample_key", "__key__", "uid", "id")
"""Columns that may hold the dataset's own ids; the first of them that exists is used."""

TEXTS = {lib.Type_STRING, lib.Type_LARGE_STRING, lib.Type_STRING_VIEW}
OTHER_NUMBERS = {
    *(lib.Type_HALF_FLOAT, lib.Type_FLOAT, lib.Type_DOUBLE, lib.Type_BOOL),
    *(lib.Type_DECIMAL32, lib.Type_DECIMAL64, lib.Type_DECIMAL128, lib.Type_DECIMAL256),
}
LISTS = {lib.Type_LIST, lib.Type_LARGE_LIST, lib.Type_FIXED_SIZE_LIST}
BYTES = {lib.Type_BINARY, lib.Type_LARGE_BINARY, lib.Type_FIXED_SIZE_BINARY}
"""Kinds of types by their numbers: a table may have 20,000 columns."""

MISSING_SPELLINGS = ("", "NA", "N/A", "n/a", "#N/A", "NULL", "null", "None", "NaN", "nan", "?")
"""What programs write in text where nothing is known."""


def is_text(data_type: pa.DataType) -> bool:
    """Return whether a column of this type holds one string per row."""
    data_type = data_type.value_type if pa.types.is_dictionary(data_type) else data_type
    return data_type.id in TEXTS


def is_label(data_type: pa.DataType) -> bool:
    """Return whether a column of this type can name classes."""
    plain = data_type.value_type if pa.types.is_dictionary(data_type) else data_type
    return is_text(plain) or pa.types.is_integer(plain) or pa.types.is_boolean(plain)


def is_label_list(data_type: pa.DataType) -> bool:
    """Return whether a column of this type can name several classes per row."""
    return is_list(data_type) and is_label(data_type.value_type)


def is_category(data_type: pa.DataType) -> bool:
    """Return whether a column of this type holds categories: strings, or whatever was dictionary-encoded."""
    return is_text(data_type) or (pa.types.is_dictionary(data_type) and is_label(data_type))


def is_number(data_type: pa.DataType) -> bool:
    """Return whether a column of this type holds one number per row."""
    return pa.types.is_integer(data_type) or data_type.id in OTHER_NUMBERS


def is_list(data_type: pa.DataType) -> bool:
    """Return whether a column of this type holds a list per row."""
    return data_type.id in LISTS


def is_vector(data_type: pa.DataType) -> bool:
    """Return whether a column of this type holds a list of numbers per row."""
    return is_list(data_type) and is_number(data_type.value_type)


def is_image(data_type: pa.DataType) -> bool:
    """Return whether a column of this type holds encoded images: bytes, or Hugging Face's struct with bytes."""
    if pa.types.is_struct(data_type):
        return data_type.get_field_index("bytes") >= 0 and is_image(data_type.field("bytes").type)
    return is_bytes(data_type)


def is_bytes(data_type: pa.DataType) -> bool:
    """Return whether a column of this type holds bytes."""
    return data_type.id in BYTES


def encoded_images(column: pa.Array) -> list[bytes | None]:
    """Return the encoded bytes of every row, None for a null."""
    plain = pc.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column
    encoded: list[bytes | None] = plain.to_pylist()
    return encoded


def without_dictionaries(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return a plain column without its dictionaries."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def refuse_nulls(column: pa.ChunkedArray, *, name: str, field: str, locations: RowLocations, per_row: int = 1) -> None:
    """Raise MissingValues if the column has nulls; ``per_row`` of its values belong to each row."""
    if column.null_count:
        rows = np.unique(np.flatnonzero(column.is_null().to_numpy()) // per_row)
        raise MissingValues(f"Column {name!r} is null in {locations.first(rows)}", field=field)


@contextmanager
def unusable_types_refused(error: type[TedError], names: Sequence[str], field: str) -> Iterator[None]:
    """Raise the error, which names the columns, for what Arrow cannot do with their types."""
    try:
        yield
    except (pa.ArrowNotImplementedError, pa.ArrowTypeError, pa.ArrowInvalid, pa.ArrowCapacityError) as unusable:
        listed = ", ".join(map(repr, names[:SHOWN]))
        raise error(f"Of {listed}, a column cannot be used ({unusable})", field=field) from unusable
