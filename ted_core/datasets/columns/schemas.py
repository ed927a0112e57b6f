"""A dataset's schema: the same in all of its files, and short enough for an error message."""

from collections.abc import Iterable
from itertools import islice

import pyarrow as pa

from ted_core.datasets.sources.base import Source
from ted_core.errors import SchemasDiffer

LISTED, LONGEST_NAME = 30, 100


def abbreviated_list(names: Iterable[str]) -> str:
    """Return the first names for an error message: long ones cut, without characters that control a terminal."""
    return ", ".join(_printable(name[:LONGEST_NAME]) for name in islice(names, LISTED))


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)


def refuse_other_schema(source: Source, expected: pa.Schema, schema: pa.Schema) -> None:
    """Raise SchemasDiffer unless the file has the first file's columns, types and order."""
    if schema.remove_metadata().equals(expected.remove_metadata()):
        return
    different = sorted({_description(field) for field in expected} ^ {_description(field) for field in schema})
    difference = abbreviated_list(different) or "the order of its columns"
    raise SchemasDiffer(f"{source.name} differs from the first file in {difference}", field="dataset.uri")


def _description(field: pa.Field) -> str:
    return f"{field.name}: {field.type}" + ("" if field.nullable else " not null")
