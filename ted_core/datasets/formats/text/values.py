"""Spelled values → the narrowest type that holds them."""

import pyarrow as pa
import pyarrow.compute as pc

from ted_core.datasets.columns.types import MISSING_SPELLINGS

TYPES = (pa.int64(), pa.float64(), pa.bool_(), pa.string())
"""From the narrowest to the one that holds everything."""
MISSING = pa.array(MISSING_SPELLINGS)
BLANK = " "


def widened(data_type: pa.DataType, column: pa.Array) -> pa.DataType:
    """Return the type that holds the column's values so far, and these too."""
    if data_type == pa.string() or not len(values := _numeric(column).drop_null()):
        return data_type
    narrowest = next(candidate for candidate in (data_type, *TYPES) if _holds(candidate, values))
    return common_type(data_type, narrowest)


def _holds(data_type: pa.DataType, values: pa.Array) -> bool:
    try:
        values[:1].cast(data_type)  # a value that fails costs twenty times as much as one that does not
        values.cast(data_type)
    except pa.ArrowException:
        return False
    return data_type != pa.int64() or not _hexadecimal(values)


def _hexadecimal(values: pa.Array) -> bool:
    """Whether a value is spelled 0x…, which Arrow takes for a number and which is more often an id."""
    return any(pc.any(pc.match_substring(values, mark)).as_py() for mark in "xX")


def common_type(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    """Return the narrowest type that holds the values of both."""
    types = {left, right} - {pa.null()}
    if len(types) <= 1:
        return next(iter(types), pa.null())
    return pa.float64() if types == {pa.int64(), pa.float64()} else pa.string()


def is_numeric(data_type: pa.DataType) -> bool:
    """Return whether values of this type are no words: numbers, true and false."""
    return data_type in TYPES[:-1]


def typed(column: pa.Array, data_type: pa.DataType) -> pa.Array:
    """Return the spelled values in this type, missing ones as nulls."""
    if data_type == pa.string():
        return pc.if_else(pc.equal(column, ""), None, column)
    return pa.nulls(len(column)) if data_type == pa.null() else _numeric(column).cast(data_type)


def _numeric(column: pa.Array) -> pa.Array:
    """The values without the blanks around them; null if they are spelled as missing."""
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.is_in(trimmed, value_set=MISSING), None, trimmed)


def is_padded(column: pa.Array) -> bool:
    """Return whether a blank precedes every value, as where a comma and a blank separate them."""
    return bool(pc.all(pc.or_(pc.starts_with(column, BLANK), pc.equal(column, "")), min_count=0).as_py())
