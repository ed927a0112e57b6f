"""The names of classes that Hugging Face datasets keep in a schema's metadata, beside columns of codes."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from pydantic_core import from_json

METADATA_KEY = b"huggingface"


def named(classes: Sequence[str], schema: pa.Schema, targets: Sequence[str]) -> tuple[str, ...]:
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
