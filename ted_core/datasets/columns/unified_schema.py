"""One schema for all files of a dataset: types that hold every file's values, and the rows cast to them.

A file without rows decides nothing. What cannot be unified is refused only if the job reads it.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ted_core.datasets.columns.labels import METADATA_KEY, class_names
from ted_core.datasets.columns.plain_types import decoded, plain_schema, with_values
from ted_core.datasets.columns.roles import roles
from ted_core.datasets.columns.types import is_list, is_text
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import SchemasDiffer

ABSENT, TWICE = "absent", "there twice"
"""Instead of a type, where a file has no such column, or several."""
FIELD = "dataset.uri"


@dataclass(frozen=True)
class FileSchema:
    """A file's columns."""

    name: str
    schema: pa.Schema
    is_empty: Callable[[], bool]
    """Whether the file has no rows."""


def unify(files: Sequence[FileSchema], spec: DatasetSpec) -> pa.Schema:
    """Return the schema that holds the rows of all files, in plain types, with the first file's metadata.

    Raises SchemasDiffer, which names two files, for a column that the job reads, and what choosing its columns raises.
    """
    others = [file for file in files[1:] if not file.schema.equals(files[0].schema, check_metadata=True)]
    if not others:
        return plain_schema(files[0].schema)
    decisive = [file for file in (files[0], *others) if not file.is_empty()]
    if not decisive:
        return plain_schema(files[0].schema)
    return _unified(decisive, spec)


def _unified(files: Sequence[FileSchema], spec: DatasetSpec) -> pa.Schema:
    schema, differences = _together(files)
    if differences or len({file.schema.metadata and file.schema.metadata.get(METADATA_KEY) for file in files}) > 1:
        chosen = roles(schema, spec)
        if refused := next((differences[name] for name in chosen.names if name in differences), None):
            raise SchemasDiffer(refused, field=FIELD)
        for name in chosen.targets:
            _refuse_other_classes(files, name)
    return schema


def _refuse_other_classes(files: Sequence[FileSchema], column: str) -> None:
    """Raise SchemasDiffer if two files give the codes of classes different names."""
    first: tuple[str, Sequence[str]] | None = None
    for file in files:
        names = class_names(file.schema, column)
        if names and first and names != first[1]:
            fact = f"{file.name} names the classes of {column!r} otherwise than {first[0]}"
            raise SchemasDiffer(fact, field=FIELD)
        first = first or ((file.name, names) if names else None)


class Typed(NamedTuple):
    """What a column is in the files so far."""

    data_type: pa.DataType | str
    """``ABSENT`` or ``TWICE`` if it is no column in one of them."""
    file: str
    """The first file that says so."""


def _together(files: Sequence[FileSchema]) -> tuple[pa.Schema, Mapping[str, str]]:
    """The columns of all files, in the order of their first appearance; and those that have no one type, and why."""
    columns, differences = [(file.name, _columns(file.schema)) for file in files], dict[str, str]()
    fields = []
    for name in dict.fromkeys(name for _, present in columns for name in present):
        so_far = Typed(columns[0][1].get(name, ABSENT), columns[0][0])
        for file, present in columns[1:]:
            found = Typed(present.get(name, ABSENT), file)
            try:
                so_far = _widened(so_far, found)
            except (pa.ArrowException, TypeError):
                differences[name] = _difference(name, so_far, found)
                so_far = next(typed for typed in (so_far, found) if typed.data_type != ABSENT)
                break
        if so_far.data_type == TWICE:
            differences.setdefault(name, f"{name!r} is the name of several columns in {so_far.file}")
        fields.append((name, pa.null() if so_far.data_type == TWICE else so_far.data_type))
    return pa.schema(fields, files[0].schema.metadata), differences


def _difference(name: str, so_far: Typed, found: Typed) -> str:
    both = f"{name}: {so_far.data_type}, {name}: {found.data_type}"
    return f"{found.file} differs from the first file in {both} (the former in {so_far.file})"


def _columns(schema: pa.Schema) -> dict[str, pa.DataType | str]:
    """Each column's name → its plain type."""
    counts = Counter(schema.names)
    return {field.name: field.type if counts[field.name] == 1 else TWICE for field in plain_schema(schema)}


def _widened(so_far: Typed, found: Typed) -> Typed:
    """Raises TypeError or ArrowException if no type holds both."""
    if so_far.data_type == found.data_type:
        return so_far
    if isinstance(so_far.data_type, str) or isinstance(found.data_type, str):
        raise TypeError
    data_type = common_type(so_far.data_type, found.data_type)
    return Typed(data_type, found.file if so_far.data_type == pa.null() else so_far.file)


# --- types ------------------------------------------------------------------------------------------------------------


def common_type(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    """Return the type that holds the values of both plain types. Raises ArrowException if there is none."""
    if left == right or right == pa.null():
        return left
    if left == pa.null():
        return right
    for matches, common in COMMON:
        if matches(left) and matches(right):
            return common(left, right)
    if pa.types.is_dictionary(left) or pa.types.is_dictionary(right):
        return common_type(_value_type(left), _value_type(right))
    unified = pa.unify_schemas([pa.schema({"": left}), pa.schema({"": right})], promote_options="permissive")
    return unified.field(0).type


def _value_type(data_type: pa.DataType) -> pa.DataType:
    return data_type.value_type if pa.types.is_dictionary(data_type) else data_type


def _common_dictionary(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    return pa.dictionary(pa.int32(), common_type(left.value_type, right.value_type))


def _common_list(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    """Lists of one length stay that if it is the same."""
    values = common_type(left.value_type, right.value_type)
    if pa.types.is_fixed_size_list(left) and pa.types.is_fixed_size_list(right) and left.list_size == right.list_size:
        return pa.list_(values, left.list_size)
    return pa.large_list(values)


def _common_struct(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    """The fields of both."""
    types = {field.name: field.type for field in left}
    for field in right:
        types[field.name] = common_type(types.get(field.name, pa.null()), field.type)
    return pa.struct(list(types.items()))


def _is_bytes(data_type: pa.DataType) -> bool:
    return any(
        test(data_type) for test in (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    )


def _is_plain_text(data_type: pa.DataType) -> bool:
    return is_text(data_type) and not pa.types.is_dictionary(data_type)


COMMON: Sequence[tuple[Callable[[pa.DataType], bool], Callable[[pa.DataType, pa.DataType], pa.DataType]]] = (
    (pa.types.is_dictionary, _common_dictionary),
    (_is_plain_text, lambda *_: pa.large_string()),
    (_is_bytes, lambda *_: pa.large_binary()),
    (is_list, _common_list),
    (pa.types.is_struct, _common_struct),
)
"""Kinds of types that differ only in how they are written, and what holds both of a kind."""


# --- rows -------------------------------------------------------------------------------------------------------------


def in_type(column: pa.Array, data_type: pa.DataType) -> pa.Array:
    """Return a plain column as this type, which ``common_type`` has made of its own. Raises ArrowException."""
    if column.type == data_type:
        return column
    if column.type == pa.null():
        return pa.nulls(len(column), data_type)
    column = decoded(column)
    if pa.types.is_dictionary(data_type):
        return in_type(column, data_type.value_type).dictionary_encode()
    if pa.types.is_struct(data_type):
        return _in_struct(column, data_type)
    if is_list(data_type) and not pa.types.is_fixed_size_list(data_type):
        return with_values(column, data_type, lambda values: in_type(values, data_type.value_type))
    return column if column.type == data_type else column.cast(data_type)


def _in_struct(column: pa.StructArray, data_type: pa.StructType) -> pa.Array:
    own = {field.name: index for index, field in enumerate(column.type)}
    children = [
        in_type(pc.struct_field(column, [own[field.name]]), field.type)
        if field.name in own
        else pa.nulls(len(column), field.type)
        for field in data_type
    ]
    return pa.StructArray.from_arrays(children, fields=list(data_type), mask=column.is_null())
