"""What Arrow columns can be used for, judging by their types; and what every use of them needs."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ted_core.datasets.row_locations import RowLocations
from ted_core.errors import MissingValues

KEY_NAMES = ("sample_key", "__key__", "uid", "id")
"""Columns that may hold the dataset's own ids; the first of them that exists is used."""


def is_text(data_type: pa.DataType) -> bool:
    """Return whether a column of this type holds one string per row."""
    data_type = data_type.value_type if pa.types.is_dictionary(data_type) else data_type
    return any(test(data_type) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


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
    return any(
        test(data_type)
        for test in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
    )


def is_list(data_type: pa.DataType) -> bool:
    """Return whether a column of this type holds a list per row."""
    return any(test(data_type) for test in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list))


def is_vector(data_type: pa.DataType) -> bool:
    """Return whether a column of this type holds a list of numbers per row."""
    return is_list(data_type) and is_number(data_type.value_type)


def is_image(data_type: pa.DataType) -> bool:
    """Return whether a column of this type holds encoded images: bytes, or Hugging Face's struct with bytes."""
    if pa.types.is_struct(data_type):
        return data_type.get_field_index("bytes") >= 0 and is_image(data_type.field("bytes").type)
    return bool(pa.types.is_binary(data_type) or pa.types.is_large_binary(data_type))


def encoded_images(column: pa.Array) -> list[bytes | None]:
    """Return the encoded bytes of every row, None for a null."""
    plain = pc.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column
    encoded: list[bytes | None] = plain.to_pylist()
    return encoded


def without_dictionaries(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return the column without dictionaries, and without string views, which Arrow cannot sort."""
    data_type = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return column.cast(pa.string() if pa.types.is_string_view(data_type) else data_type)


def refuse_nulls(column: pa.ChunkedArray, *, name: str, field: str, locations: RowLocations, per_row: int = 1) -> None:
    """Raise MissingValues if the column has nulls; ``per_row`` of its values belong to each row."""
    if column.null_count:
        rows = np.unique(np.flatnonzero(column.is_null().to_numpy()) // per_row)
        raise MissingValues(f"Column {name!r} is null in {locations.first(rows)}", field=field)


def sample_keys(column: pa.ChunkedArray | None) -> pa.Array | None:
    """Return the dataset's own ids as strings; None if there is no such column or its values are not distinct."""
    if column is None or not is_label(column.type) or column.null_count or len(pc.unique(column)) != len(column):
        return None
    return column.cast(pa.string()).combine_chunks()
