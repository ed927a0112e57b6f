"""Target columns → classes: one per row, or any number."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic_core import from_json

from ted_core.datasets.columns.schemas import abbreviated_list
from ted_core.datasets.columns.types import MISSING_SPELLINGS, is_list, refuse_nulls, without_dictionaries
from ted_core.datasets.findings import warn
from ted_core.datasets.limits import Limits
from ted_core.datasets.row_locations import SHOWN, RowLocations
from ted_core.datasets.samples import Labels
from ted_core.errors import MissingValues, SingleClass, UnusableLabels
from ted_core.warnings import WarningCode

FIELD = "dataset.target"
FEWEST_CLASSES = 2
FEWEST_ROWS, ROWS_PER_CLASS = 16, 2
"""From so many rows on, fewer rows to a class are worth a warning: half of the classes could not be learned."""
WHOLE_NUMBER = r"^-?[0-9]{1,18}$"
ZERO_AND_ONE = {0, 1, "0", "1"}
"""False and True, which equal 0 and 1, as well."""
MISSING_NAMES = frozenset({*MISSING_SPELLINGS, "<NA>"})
"""Not "none", as people call a class."""
LONGEST_NUMBER = 18
"""Digits of a class that is taken for a number."""
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
    lengths = pc.list_value_length(column).to_numpy()
    owners = np.repeat(np.arange(len(column)), lengths)
    values = without_dictionaries(pc.list_flatten(column))
    if values.null_count:
        rows = np.unique(owners[values.is_null().to_numpy()])
        raise UnusableLabels(f"Column {name!r} lists a null in {locations.first(rows)}", field=FIELD)
    _refuse_flags(lengths, values, name=name)
    codes, classes = _encoded(values, name=name)
    limits.refuse_beyond(4 * len(column) * len(classes), f"{len(column):,} rows of {len(classes):,} classes")
    flags = np.zeros((len(column), len(classes)), np.float32)
    flags[owners, codes] = 1
    return Labels(flags, classes)


def _refuse_flags(lengths: np.ndarray, values: pa.ChunkedArray, *, name: str) -> None:
    """Raise UnusableLabels for lists with a 0 or 1 for each class, as which lists of classes would mean 0 and 1."""
    length = int(lengths.max(initial=0))
    if length < FEWEST_CLASSES or lengths.min() != length or not {*pc.unique(values).to_pylist()} <= ZERO_AND_ONE:
        return
    one_each = pc.sum(values.cast(pa.int64())).as_py() == len(lengths)
    remedy = "give the position of its 1 as its class" if one_each else f"give {length} columns of 0 and 1"
    fact = f"Column {name!r} holds {length} zeros and ones for each row, but lists name the classes of a row; {remedy}"
    raise UnusableLabels(fact, field=FIELD)


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


def warn_of_doubtful(target: Labels) -> None:
    """Warn of classes that may not be what is meant: too many, alike, or no classes at all."""
    _warn_of_nearly_unique(target.classes, rows=len(target.codes))
    _warn_of_alike(target.classes)
    _warn_of_missing(target.classes)
    _warn_of_one_each(target.codes)


def _warn_of_nearly_unique(classes: Sequence[str], *, rows: int) -> None:
    """Warn if most classes can only have a single row."""
    if rows >= FEWEST_ROWS and len(classes) * ROWS_PER_CLASS > rows:
        fact = f"{rows:,} rows have {len(classes):,} classes"
        warn(WarningCode.CLASSES_NEARLY_UNIQUE, fact, field=FIELD)


def _warn_of_alike(classes: Sequence[str]) -> None:
    """Warn of classes whose names differ in nothing but case, blanks, or how Unicode writes a letter."""
    alike: dict[str, list[str]] = {}
    for name in classes:
        alike.setdefault(_folded(name), []).append(name)
    if groups := [names for names in alike.values() if len(names) > 1]:
        more = f", and {len(groups) - 1:,} more such groups" if len(groups) > 1 else ""
        fact = f"{_quoted(groups[0])} are {len(groups[0])} classes{more}"
        warn(WarningCode.CLASSES_ALIKE, fact, field=FIELD)


def _folded(name: str) -> str:
    """The name without what may differ by mistake. A single letter and its capital are two letters."""
    letters = " ".join(unicodedata.normalize("NFC", name).split())
    return letters.casefold() if len(letters) > 1 else letters


def _warn_of_missing(classes: Sequence[str]) -> None:
    if names := [name for name in classes if name.strip() in MISSING_NAMES]:
        fact = f"{_quoted(names)} {'is taken for a class' if len(names) == 1 else 'are taken for classes'}"
        warn(WarningCode.LABEL_MAY_BE_MISSING, fact, field=FIELD)


def _quoted(names: Iterable[str]) -> str:
    """The first names, in ASCII, which shows how letters that look the same differ."""
    return abbreviated_list(map(ascii, names))


def _warn_of_one_each(codes: np.ndarray) -> None:
    """Warn if rows could have several classes, but all have one."""
    if codes.ndim > 1 and len(codes) >= FEWEST_ROWS and (codes.sum(axis=1) == 1).all():
        fact = f"Each of {len(codes):,} rows has one class, and the proxy learns for each class whether a row has it"
        warn(WarningCode.ONE_CLASS_EACH, fact, field=FIELD)


# --- names of classes -------------------------------------------------------------------------------------------------


def named_labels(target: Labels, schema: pa.Schema, targets: Sequence[str], *, locations: RowLocations) -> Labels:
    """Return the labels with the classes' names, if the schema's metadata give the target's codes any.

    Raises MissingValues for codes that have no name, which mean that a row has no class. Without names, warns of one
    negative code beside others.
    """
    if len(targets) != 1:
        return target
    if names := _names_of_codes(schema, targets[0]):
        _refuse_unnamed_codes(target, len(names), name=targets[0], locations=locations)
    else:
        warn_of_negative(target, name=targets[0], locations=locations)
    return replace(target, classes=named_classes(target.classes, schema, targets))


def _holds_integers(data_type: pa.DataType) -> bool:
    while pa.types.is_dictionary(data_type) or is_list(data_type):
        data_type = data_type.value_type
    return bool(pa.types.is_integer(data_type))


def _refuse_unnamed_codes(target: Labels, named: int, *, name: str, locations: RowLocations) -> None:
    unnamed = [index for index, code in enumerate(target.classes) if not 0 <= int(code) < named]
    if unnamed:
        codes = ", ".join(target.classes[index] for index in unnamed[:SHOWN])
        rows = locations.first(_rows_with(target, unnamed))
        fact = f"Column {name!r} holds {codes}, which is none of the {named} classes that the dataset names, in {rows}"
        raise MissingValues(fact, field=FIELD)


def _rows_with(target: Labels, classes: Sequence[int]) -> np.ndarray:
    """The rows that have one of these classes."""
    if target.codes.ndim == 1:
        return np.flatnonzero(np.isin(target.codes, classes))
    return np.flatnonzero(target.codes[:, classes].any(axis=1))


def warn_of_negative(target: Labels, *, name: str, locations: RowLocations) -> None:
    """Warn if exactly one class is a negative number, as codes for a missing label are; -1 and 1 are two classes."""
    numbers = [int(code) for code in target.classes if _is_number(code)]
    negative = [number for number in numbers if number < 0]
    if len(negative) != 1 or len(numbers) < len(target.classes) or [*map(abs, numbers)] == [-negative[0]] * 2:
        return
    rows = locations.first(_rows_with(target, [numbers.index(negative[0])]))
    fact = f"{negative[0]} is the only negative class of {name!r}, beside {len(numbers) - 1} others, in {rows}"
    warn(WarningCode.NEGATIVE_LABEL, fact, field=FIELD)


def _is_number(code: str) -> bool:
    digits = code.removeprefix("-")
    return digits.isdecimal() and len(digits) <= LONGEST_NUMBER


def named_classes(classes: Sequence[str], schema: pa.Schema, targets: Sequence[str]) -> tuple[str, ...]:
    """Return the classes by the names that the schema's metadata give the target's codes; else as they are."""
    stated = _names_of_codes(schema, targets[0]) if len(targets) == 1 else ()
    names = {str(code): name for code, name in enumerate(stated)}
    return tuple(names.get(code, code) for code in classes)


def _names_of_codes(schema: pa.Schema, column: str) -> tuple[str, ...]:
    """The names of the column's codes; none for a column of words, which are names themselves."""
    return class_names(schema, column) if _holds_integers(schema.field(column).type) else ()


def class_names(schema: pa.Schema, column: str) -> tuple[str, ...]:
    """Return the names of codes 0, 1 … that the metadata state; empty if there are none, or two are the same."""
    names = _feature(schema, column).get("names")
    if not isinstance(names, list) or len({name for name in names if isinstance(name, str)}) < len(names):
        return ()
    return tuple(names)


def _feature(schema: pa.Schema, column: str) -> Mapping[str, Any]:
    """What the metadata say of the column, or, if it is a column of lists, of their elements."""
    feature = _metadata(schema, "info", "features").get(column)
    if isinstance(feature, dict) and isinstance(feature.get("feature"), dict):
        feature = feature["feature"]
    if isinstance(feature, list) and len(feature) == 1:  # how datasets wrote lists before version 4
        feature = feature[0]
    return feature if isinstance(feature, dict) else {}


def _metadata(schema: pa.Schema, *keys: str) -> Mapping[str, Any]:
    """The object under these nested keys; empty if there is none, or the metadata are no JSON."""
    try:
        value = from_json((schema.metadata or {}).get(METADATA_KEY, b"{}"))
    except ValueError:
        return {}
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
