"""Arrow columns → the arrays that training wants."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float32

from ted_core.datasets.samples import Labels, Vectors
from ted_core.errors import MissingValues, SingleClass, UnusableInputs, UnusableLabels

SHOWN = 5
KEY_NAMES = ("sample_key", "__key__", "uid", "id")
"""Columns that hold the dataset's own ids, the first of them that exists."""


def is_label(kind: pa.DataType) -> bool:
    """Whether a column of this type can name classes."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(
        test(kind) for test in (pa.types.is_integer, pa.types.is_boolean, pa.types.is_string, pa.types.is_large_string)
    )


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type holds one number per row."""
    return any(
        test(kind) for test in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
    )


def is_vector(kind: pa.DataType) -> bool:
    """Whether a column of this type holds a list of numbers per row."""
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(test(kind) for test in lists) and is_number(kind.value_type)


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


def labels(column: pa.ChunkedArray, *, name: str) -> Labels:
    """Every row's class. Raises MissingValues, UnusableLabels, SingleClass."""
    if not is_label(column.type):
        raise UnusableLabels(f"Column {name!r} is of type {column.type}", field="dataset.target")
    _refuse_nulls(column, name=name, field="dataset.target")
    plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    values = pc.unique(plain).sort()
    if len(values) < 2:  # noqa: PLR2004 - a single class
        raise SingleClass(f"Column {name!r} holds {len(values)} class", field="dataset.target")
    codes = pc.index_in(plain, value_set=values).to_numpy()
    return Labels(codes.astype(np.int64), tuple(str(value) for value in values.to_pylist()))


def vectors(columns: dict[str, pa.ChunkedArray]) -> Vectors:
    """The columns side by side, one row of float32 per sample. Raises MissingValues, UnusableInputs."""
    return np.ascontiguousarray(np.hstack([_block(column, name=name) for name, column in columns.items()]))


def _block(column: pa.ChunkedArray, *, name: str) -> Float32[np.ndarray, "rows width"]:
    _refuse_nulls(column, name=name, field="dataset.input")
    flat = _flattened(column, name=name) if is_vector(column.type) else column
    block: np.ndarray = flat.cast(pa.float32(), safe=False).to_numpy().reshape(len(column), -1)
    refuse_non_finite(block, name=name)
    return block


def _flattened(column: pa.ChunkedArray, *, name: str) -> pa.ChunkedArray:
    """The elements of equally long lists one after another."""
    widths = pc.unique(pc.list_value_length(column)).to_pylist()
    if len(widths) != 1 or not widths[0]:
        raise UnusableInputs(
            f"Column {name!r} holds lists of different lengths ({widths[:SHOWN]})", field="dataset.input"
        )
    flat = pc.list_flatten(column)
    _refuse_nulls(flat, name=name, field="dataset.input", per_row=widths[0])
    return flat


def _refuse_nulls(column: pa.ChunkedArray, *, name: str, field: str, per_row: int = 1) -> None:
    if column.null_count:
        empty = np.flatnonzero(column.is_null().to_numpy()) // per_row
        raise MissingValues(f"Column {name!r} is null in {_rows(empty)}", field=field)


def refuse_non_finite(block: np.ndarray, *, name: str) -> None:
    """Raise MissingValues where a row holds NaN or an infinity, or a number beyond float32."""
    finite = np.isfinite(block).reshape(len(block), -1).all(axis=1)
    if not finite.all():
        raise MissingValues(
            f"Column {name!r} is NaN or infinite in {_rows(np.flatnonzero(~finite))}", field="dataset.input"
        )


def _rows(indices: np.ndarray) -> str:
    """How many rows, and the first of them."""
    return f"{len(indices)} rows, first: {', '.join(map(str, indices[:SHOWN]))}"


def sample_keys(column: pa.ChunkedArray | None) -> pa.Array | None:
    """The dataset's own ids as strings; None where there is no such column or it does not tell rows apart."""
    if column is None or not is_label(column.type) or column.null_count or len(pc.unique(column)) != len(column):
        return None
    return column.cast(pa.string()).combine_chunks()
