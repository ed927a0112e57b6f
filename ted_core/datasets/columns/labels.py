"""Target columns → classes: one per row, or any number."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic_core import from_json

from ted_core.datasets.columns.types import is_list, refuse_nulls, without_dictionaries
from ted_core.datasets.limits import Limits
from ted_core.datasets.row_locations import RowLocations
from ted_core.datasets.samples import Labels
from ted_core.errors import SingleClass, UnusableLabels

FIELD = "dataset.target"
FEWEST_CLASSES = 2
WHOLE_NUMBER = r"^-?[0-9]{1,18}$"
METADATA_KEY = b"huggingface"
"""Where Hugging Face datasets keep the names of classes in a schema, beside columns of codes."""


def labels(table: pa.Table, targets: Sequence[str], *, locations: RowLocations, limits: Limits) -> Labels:
    """Return what the target columns say of every row; zeros and no classes if there is no target.

    Raises MissingValues, UnusableLabels, SingleClass, DatasetTooLarge.
    """
    if not targets:
        return Labels(np.zeros(len(table), np.int64), ())
    if len(targets) > 1:
        return _flags(table.select(targets), locations=locations, limits=limits)
    column = table[targets[0]]
    if is_list(column.type):
        return _several_classes(column, name=targets[0], locations=locations, limits=limits)
    return one_class(column, name=targets[0], locations=locations)


def one_class(column: pa.ChunkedArray, *, name: str, locations: RowLocations) -> Labels:
    """Return every row's class. Raises MissingValues, SingleClass."""
    refuse_nulls(column, name=name, field=FIELD, locations=locations)
    codes, classes = _encoded(without_dictionaries(column), name=name)
    return Labels(codes, classes)


def _encoded(values: pa.ChunkedArray, *, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Every value's index among the sorted classes, and their names."""
    classes = _sorted(pc.unique(values))
    if len(classes) < FEWEST_CLASSES:
        raise SingleClass(f"Column {name!r} holds {len(classes)} class", field=FIELD)
    codes = pc.index_in(values, value_set=classes).to_numpy().astype(np.int64)
    return codes, tuple(str(value) for value in classes.to_pylist())


def _sorted(classes: pa.Array) -> pa.Array:
    """By name; if all names are whole numbers, by their value: 2 before 10."""
    by_name = classes.sort()
    return by_name.take(pc.sort_indices(by_name.cast(pa.int64()))) if _are_whole_numbers(by_name) else by_name


def _are_whole_numbers(names: pa.Array) -> bool:
    if names.type not in (pa.string(), pa.large_string()):
        return False
    return bool(pc.all(pc.match_substring_regex(names, WHOLE_NUMBER)).as_py())


def _several_classes(column: pa.ChunkedArray, *, name: str, locations: RowLocations, limits: Limits) -> Labels:
    """The classes that each row lists; a row may list none."""
    refuse_nulls(column, name=name, field=FIELD, locations=locations)
    owners = np.repeat(np.arange(len(column)), pc.list_value_length(column).to_numpy())
    values = without_dictionaries(pc.list_flatten(column))
    if values.null_count:
        rows = np.unique(owners[values.is_null().to_numpy()])
        raise UnusableLabels(f"Column {name!r} lists a null in {locations.first(rows)}", field=FIELD)
    codes, classes = _encoded(values, name=name)
    limits.refuse_beyond(4 * len(column) * len(classes), f"{len(column):,} rows of {len(classes):,} classes")
    flags = np.zeros((len(column), len(classes)), np.float32)
    flags[owners, codes] = 1
    return Labels(flags, classes)


def _flags(table: pa.Table, *, locations: RowLocations, limits: Limits) -> Labels:
    """One column per class, 1 if a row has it."""
    limits.refuse_beyond(4 * table.num_rows * table.num_columns, f"{table.num_columns:,} target columns")
    flags = np.empty((table.num_rows, table.num_columns), np.float32)
    for index, name in enumerate(table.column_names):
        flags[:, index] = _zeros_and_ones(table[name], name=name, locations=locations)
    return Labels(flags, tuple(table.column_names))


def _zeros_and_ones(column: pa.ChunkedArray, *, name: str, locations: RowLocations) -> np.ndarray:
    refuse_nulls(column, name=name, field=FIELD, locations=locations)
    flags: np.ndarray = column.cast(pa.float32(), safe=False).to_numpy()
    others = np.flatnonzero((flags != 0) & (flags != 1))
    if len(others):
        raise UnusableLabels(f"Column {name!r} is neither 0 nor 1 in {locations.first(others)}", field=FIELD)
    return flags


# --- names of classes -------------------------------------------------------------------------------------------------


def named_classes(classes: Sequence[str], schema: pa.Schema, targets: Sequence[str]) -> tuple[str, ...]:
    """Return the classes by the names that the schema's metadata give the target's codes; else as they are."""
    names = _class_names(schema, targets[0]) if len(targets) == 1 else {}
    return tuple(names.get(code, code) for code in classes)


def _class_names(schema: pa.Schema, column: str) -> Mapping[str, str]:
    """Code → name; empty if there are no names, or two classes share one."""
    names = _feature(schema, column).get("names")
    if not isinstance(names, list) or len({name for name in names if isinstance(name, str)}) < len(names):
        return {}
    return {str(code): name for code, name in enumerate(names)}


def _feature(schema: pa.Schema, column: str) -> Mapping[str, Any]:
    """What the metadata say of the column, or, if it is a column of lists, of their elements."""
    feature = _metadata(schema, "info", "features", column)
    return feature["feature"] if isinstance(feature.get("feature"), dict) else feature


def _metadata(schema: pa.Schema, *keys: str) -> Mapping[str, Any]:
    """The object under these nested keys; empty if there is none, or the metadata are no JSON."""
    try:
        value = from_json((schema.metadata or {}).get(METADATA_KEY, b"{}"))
    except ValueError:
        return {}
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
