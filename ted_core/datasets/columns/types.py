"""What Arrow columns can be used for, told from their types; and what every use of them asks for."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ted_core.datasets.row_locations import RowLocations
from ted_core.errors import MissingValues

KEY_NAMES = ("sample_key", "__key__", "uid", "id")
"""Columns that hold the dataset's own ids, the first of them that exists."""


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds one string per row."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def is_label(kind: pa.DataType) -> bool:
    """Whether a column of this type can name classes."""
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return is_text(plain) or pa.types.is_integer(plain) or pa.types.is_boolean(plain)


def is_label_list(kind: pa.DataType) -> bool:
    """Whether a column of this type can name several classes per row."""
    return is_list(kind) and is_label(kind.value_type)


def is_category(kind: pa.DataType) -> bool:
    """Whether a column of this type holds categories: strings, or whatever was dictionary-encoded."""
    return is_text(kind) or (pa.types.is_dictionary(kind) and is_label(kind))


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type holds one number per row."""
    return any(
        test(kind) for test in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
    )


def is_list(kind: pa.DataType) -> bool:
    """Whether a column of this type holds a list per row."""
    return any(test(kind) for test in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list))


def is_vector(kind: pa.DataType) -> bool:
    """Whether a column of this type holds a list of numbers per row."""
    return is_list(kind) and is_number(kind.value_type)


def is_image(kind: pa.DataType) -> bool:
    """Whether a column of this type holds encoded images: bytes, or a struct with bytes as Hugging Face writes it."""
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and is_image(kind.field("bytes").type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def encoded_images(column: pa.Array) -> list[bytes | None]:
    """The encoded bytes of every row, None for a null."""
    plain = pc.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column
    encoded: list[bytes | None] = plain.to_pylist()
    return encoded


def without_dictionaries(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The column without dictionaries, and without string views, which Arrow cannot sort."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return column.cast(pa.string() if pa.types.is_string_view(kind) else kind)


def refuse_nulls(column: pa.ChunkedArray, *, name: str, field: str, places: RowLocations, per_row: int = 1) -> None:
    """Raise MissingValues where the column, or what was ``per_row`` elements of a list, is null."""
    if column.null_count:
        rows = np.unique(np.flatnonzero(column.is_null().to_numpy()) // per_row)
        raise MissingValues(f"Column {name!r} is null in {places.first(rows)}", field=field)


def sample_keys(column: pa.ChunkedArray | None) -> pa.Array | None:
    """The dataset's own ids as strings; None where there is no such column or it does not tell rows apart."""
    if column is None or not is_label(column.type) or column.null_count or len(pc.unique(column)) != len(column):
        return None
    return column.cast(pa.string()).combine_chunks()
