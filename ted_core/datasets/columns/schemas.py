"""A dataset's schema: the same in all its files, and short enough to be named in an error."""

from collections.abc import Iterable
from itertools import islice

import pyarrow as pa

from ted_core.datasets.sources.base import Source
from ted_core.errors import SchemasDiffer

LISTED, LONGEST_NAME = 30, 100


def abbreviated_list(names: Iterable[str]) -> str:
    """The first of these names, as an error tells them: cut where they are long, and unable to command a terminal."""
    return ", ".join(_told(name) for name in islice(names, LISTED))


def _told(name: str) -> str:
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in name[:LONGEST_NAME])


def refuse_other_schema(source: Source, expected: pa.Schema, found: pa.Schema) -> None:
    """Raise SchemasDiffer unless the file has the first file's columns, types and order."""
    if found.remove_metadata().equals(expected.remove_metadata()):
        return
    different = sorted({_described(field) for field in expected} ^ {_described(field) for field in found})
    what = abbreviated_list(different) or "the order of its columns"
    raise SchemasDiffer(f"{source.name} differs from the first file in {what}", field="dataset.uri")


def _described(field: pa.Field) -> str:
    return f"{field.name}: {field.type}" + ("" if field.nullable else " not null")
