"""Columns in the few types that everything after reading knows: without views, run-ends, extensions and half floats.

Dictionaries of what can name classes stay, because they say that a column holds categories; no other encoding means
anything. A null among a dictionary's values is as missing as a null among its indices.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import lib

from ted_core.datasets.columns.types import is_label

ROWS_AT_A_TIME = 4096
"""Rows that are decoded together: an encoding may be far smaller than what it stands for."""
HYPHENS = (4, 6, 8, 10)
"""The bytes of a UUID that follow a hyphen in its text: https://www.rfc-editor.org/rfc/rfc9562#section-4."""


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema that the columns have once they are plain; metadata are kept."""
    return pa.schema([field.with_type(plain_type(field.type)) for field in schema], schema.metadata)


def plain_type(data_type: pa.DataType) -> pa.DataType:
    """Return the type that a column of this type becomes."""
    decoded = decoded_type(data_type)
    if pa.types.is_dictionary(data_type) and is_label(decoded):
        return pa.dictionary(data_type.index_type, decoded)
    return decoded


def plain(column: pa.Array) -> pa.Array:
    """Return the column in its plain type."""
    target = plain_type(column.type)
    if not pa.types.is_dictionary(target):
        return decoded(column)
    values = decoded(column.dictionary)
    if column.type == target and not values.null_count:
        return column
    indices = column.indices
    if values.null_count:
        indices = pc.if_else(values.is_valid().take(indices), indices, pa.scalar(None, indices.type))
    return pa.DictionaryArray.from_arrays(indices, values)


def needs_decoding(schema: pa.Schema) -> bool:
    """Return whether a column is to be decoded, so that it takes memory of its own."""
    return any(field.type != plain_type(field.type) for field in schema)


# --- one decoding per kind of type ------------------------------------------------------------------------------------


class Encoding(NamedTuple):
    """How a kind of type becomes a plainer one."""

    decoded_type: Callable[[pa.DataType], pa.DataType]
    decode: Callable[[pa.Array], pa.Array]


def decoded_type(data_type: pa.DataType) -> pa.DataType:
    """Return the type of the column's values, whose dictionaries are gone as well."""
    encoding = ENCODINGS.get(data_type.id)
    return encoding.decoded_type(data_type) if encoding else data_type


def decoded(column: pa.Array) -> pa.Array:
    """Return the column's values, without dictionaries; the column itself if they are no different."""
    encoding = ENCODINGS.get(column.type.id)
    return column if encoding is None or encoding.decoded_type(column.type) == column.type else encoding.decode(column)


def _cast_to(data_type: pa.DataType) -> Encoding:
    return Encoding(lambda _: data_type, lambda column: column.cast(data_type))


# --- extensions -------------------------------------------------------------------------------------------------------


def _storage_type(data_type: pa.BaseExtensionType) -> pa.DataType:
    own = OWN_ENCODINGS.get(type(data_type))
    return own.decoded_type(data_type) if own else decoded_type(data_type.storage_type)


def _storage(column: pa.ExtensionArray) -> pa.Array:
    own = OWN_ENCODINGS.get(type(column.type))
    return own.decode(column) if own else decoded(column.storage)


def _uuid_texts(column: pa.ExtensionArray) -> pa.Array:
    """The usual text of each UUID."""
    return hexadecimal(column.storage, hyphens=HYPHENS)


def hexadecimal(column: pa.Array, *, hyphens: tuple[int, ...] = ()) -> pa.Array:
    """Return bytes of one length as lower-case digits, with hyphens before the bytes of these numbers."""
    width = column.type.byte_width
    if not width:
        return column.cast(pa.binary()).cast(pa.string())
    content = column.fill_null(bytes(width)) if column.null_count else column
    buffer = content.buffers()[1]
    every = np.frombuffer(buffer, np.uint8).reshape(-1, width)[content.offset : content.offset + len(content)]
    digits = np.array([f"{byte:02x}" for byte in range(256)], "S2").view(np.uint8).reshape(256, 2)[every]
    text = digits.reshape(len(column), 2 * width)
    text = np.insert(text, [2 * byte for byte in hyphens], ord("-"), axis=1) if hyphens else text
    texts = pa.array(np.ascontiguousarray(text).view(f"S{text.shape[1]}").ravel()).cast(pa.string())
    return pc.if_else(column.is_valid(), texts, pa.scalar(None, pa.string())) if column.null_count else texts


OWN_ENCODINGS = {
    pa.UuidType: Encoding(lambda _: pa.string(), _uuid_texts),
    pa.Bool8Type: Encoding(lambda _: pa.bool_(), lambda column: column.storage.cast(pa.bool_())),
}
"""Extensions that are not what they are stored as."""


# --- dictionaries and runs --------------------------------------------------------------------------------------------


def _taken(column: pa.DictionaryArray) -> pa.Array:
    return decoded(column.dictionary).take(column.indices)


def _repeated(column: pa.RunEndEncodedArray) -> pa.Array:
    """The value of each row's run; Arrow's own decoder knows no views."""
    ends = column.run_ends.to_numpy()
    rows = column.offset + np.arange(len(column))
    return decoded(column.values).take(pa.array(np.searchsorted(ends, rows, side="right")))


# --- lists and structs ------------------------------------------------------------------------------------------------


def _large_list(data_type: pa.DataType) -> pa.DataType:
    return pa.large_list(_decoded_values(data_type))


def _small_list(data_type: pa.DataType) -> pa.DataType:
    return pa.list_(_decoded_values(data_type))


def _fixed_list(data_type: pa.DataType) -> pa.DataType:
    return pa.list_(_decoded_values(data_type), data_type.list_size)


def _decoded_values(data_type: pa.DataType) -> pa.Field:
    return data_type.value_field.with_type(decoded_type(data_type.value_type))


def with_values(
    column: pa.Array, data_type: pa.DataType, change: Callable[[pa.Array], pa.Array]
) -> pa.ListArray | pa.LargeListArray:
    """Return the lists as a column of this type of lists, whose values are ``change`` of the column's."""
    lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    large = pa.types.is_large_list(data_type)
    lists, offset_type = (pa.LargeListArray, pa.int64()) if large else (pa.ListArray, pa.int32())
    mask = column.is_null() if column.null_count else None
    return lists.from_arrays(pa.array(offsets, offset_type), change(pc.list_flatten(column)), data_type, mask=mask)


def _fixed_lists(column: pa.FixedSizeListArray) -> pa.Array:
    size = column.type.list_size
    if not size:  # Arrow would divide by it
        return pa.array(column.to_pylist(), decoded_type(column.type))
    values = decoded(column.values.slice(column.offset * size, len(column) * size))
    mask = column.is_null() if column.null_count else None
    return pa.FixedSizeListArray.from_arrays(values, type=decoded_type(column.type), mask=mask)


def _struct(data_type: pa.DataType) -> pa.DataType:
    return pa.struct([field.with_type(decoded_type(field.type)) for field in data_type])


def _structs(column: pa.StructArray) -> pa.Array:
    target = decoded_type(column.type)
    children = [decoded(pc.struct_field(column, [index])) for index in range(target.num_fields)]
    return pa.StructArray.from_arrays(children, fields=list(target), mask=column.is_null())


def _wide_decimal(data_type: pa.DataType) -> pa.DataType:
    return pa.decimal128(data_type.precision, data_type.scale)


LISTS = Encoding(_small_list, lambda column: with_values(column, _small_list(column.type), decoded))
LARGE_LISTS = Encoding(_large_list, lambda column: with_values(column, _large_list(column.type), decoded))
DECIMALS = Encoding(_wide_decimal, lambda column: column.cast(_wide_decimal(column.type)))
ENCODINGS = {
    pa.uuid().id: Encoding(_storage_type, _storage),
    lib.Type_DICTIONARY: Encoding(lambda data_type: decoded_type(data_type.value_type), _taken),
    lib.Type_RUN_END_ENCODED: Encoding(lambda data_type: decoded_type(data_type.value_type), _repeated),
    lib.Type_STRING_VIEW: _cast_to(pa.large_string()),
    lib.Type_BINARY_VIEW: _cast_to(pa.large_binary()),
    lib.Type_HALF_FLOAT: _cast_to(pa.float32()),
    lib.Type_DECIMAL32: DECIMALS,
    lib.Type_DECIMAL64: DECIMALS,
    lib.Type_LIST: LISTS,
    lib.Type_LARGE_LIST: LARGE_LISTS,
    lib.Type_LIST_VIEW: LARGE_LISTS,
    lib.Type_LARGE_LIST_VIEW: LARGE_LISTS,
    lib.Type_FIXED_SIZE_LIST: Encoding(_fixed_list, _fixed_lists),
    lib.Type_STRUCT: Encoding(_struct, _structs),
}
"""What is to be decoded, by the number of its type; that of a UUID is that of all extensions."""
