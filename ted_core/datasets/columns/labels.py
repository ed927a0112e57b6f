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


def labels(table: pa.Table, targets: Sequence[str], *, places: RowLocations, limits: Limits) -> Labels:
    """What the target columns say of every row; zeros and no classes where there is no target.

    Raises MissingValues, UnusableLabels, SingleClass, DatasetTooLarge.
    """
    if not targets:
        return Labels(np.zeros(len(table), np.int64), ())
    if len(targets) > 1:
        return _flags(table.select(targets), places=places, limits=limits)
    column = table[targets[0]]
    if is_list(column.type):
        return _listed(column, name=targets[0], places=places, limits=limits)
    return one_class(column, name=targets[0], places=places)


def one_class(column: pa.ChunkedArray, *, name: str, places: RowLocations) -> Labels:
    """Every row's class. Raises MissingValues, SingleClass."""
    refuse_nulls(column, name=name, field=FIELD, places=places)
    codes, classes = _coded(without_dictionaries(column), name=name)
    return Labels(codes, classes)


def _coded(values: pa.ChunkedArray, *, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Every value's index among the sorted classes, and their names."""
    classes = _in_order(pc.unique(values))
    if len(classes) < FEWEST_CLASSES:
        raise SingleClass(f"Column {name!r} holds {len(classes)} class", field=FIELD)
    codes = pc.index_in(values, value_set=classes).to_numpy().astype(np.int64)
    return codes, tuple(str(value) for value in classes.to_pylist())


def _in_order(classes: pa.Array) -> pa.Array:
    """Sorted; names that are all whole numbers by their value, 2 before 10."""
    by_name = classes.sort()
    if (
        by_name.type not in (pa.string(), pa.large_string())
        or not pc.all(pc.match_substring_regex(by_name, WHOLE_NUMBER)).as_py()
    ):
        return by_name
    return by_name.take(pc.sort_indices(by_name.cast(pa.int64())))


def _listed(column: pa.ChunkedArray, *, name: str, places: RowLocations, limits: Limits) -> Labels:
    """The classes that each row lists; a row may list none."""
    refuse_nulls(column, name=name, field=FIELD, places=places)
    owners = np.repeat(np.arange(len(column)), pc.list_value_length(column).to_numpy())
    values = without_dictionaries(pc.list_flatten(column))
    if values.null_count:
        rows = np.unique(owners[values.is_null().to_numpy()])
        raise UnusableLabels(f"Column {name!r} lists a null in {places.first(rows)}", field=FIELD)
    codes, classes = _coded(values, name=name)
    limits.refuse_beyond(4 * len(column) * len(classes), f"{len(column):,} rows of {len(classes):,} classes")
    flags = np.zeros((len(column), len(classes)), np.float32)
    flags[owners, codes] = 1
    return Labels(flags, classes)


def _flags(table: pa.Table, *, places: RowLocations, limits: Limits) -> Labels:
    """One column per class, 1 where a row has it."""
    limits.refuse_beyond(4 * table.num_rows * table.num_columns, f"{table.num_columns:,} target columns")
    flags = np.empty((table.num_rows, table.num_columns), np.float32)
    for index, name in enumerate(table.column_names):
        flags[:, index] = _zeros_and_ones(table[name], name=name, places=places)
    return Labels(flags, tuple(table.column_names))


def _zeros_and_ones(column: pa.ChunkedArray, *, name: str, places: RowLocations) -> np.ndarray:
    refuse_nulls(column, name=name, field=FIELD, places=places)
    flags: np.ndarray = column.cast(pa.float32(), safe=False).to_numpy()
    others = np.flatnonzero((flags != 0) & (flags != 1))
    if len(others):
        raise UnusableLabels(f"Column {name!r} is neither 0 nor 1 in {places.first(others)}", field=FIELD)
    return flags


def named_classes(classes: Sequence[str], schema: pa.Schema, targets: Sequence[str]) -> tuple[str, ...]:
    """The classes by their names, where the target is a column of codes whose names are stated; else as they are."""
    names = _names(schema, targets[0]) if len(targets) == 1 else {}
    return tuple(names.get(code, code) for code in classes)


def _names(schema: pa.Schema, column: str) -> Mapping[str, str]:
    """Code → name. Nothing where names are not stated, or do not tell the classes apart."""
    names = _feature(schema, column).get("names")
    if not isinstance(names, list) or len({name for name in names if isinstance(name, str)}) < len(names):
        return {}
    return {str(code): name for code, name in enumerate(names)}


def _feature(schema: pa.Schema, column: str) -> Mapping[str, Any]:
    """What the metadata say of the column, or, of a column of lists, of what is in them."""
    found = _stated(schema, "info", "features", column)
    return found["feature"] if isinstance(found.get("feature"), dict) else found


def _stated(schema: pa.Schema, *keys: str) -> Mapping[str, Any]:
    """What the metadata hold under these keys, one in the other; nothing where they do not, or are no JSON."""
    try:
        found = from_json((schema.metadata or {}).get(METADATA_KEY, b"{}"))
    except ValueError:
        return {}
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
