"""Why some rows were kept or not, from the files ``decisions.parquet`` and ``suspects.parquet``."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ted_core.errors import TedError
from ted_core.results.manifest import DECISIONS_SCHEMA, read_metadata

RowFacts = dict[str, Any]
"""What decisions say of a row, with ``likeliest`` and ``suspicion`` if its label looks wrong; None: unknown."""
OF_SUSPECTS = ("likeliest", "suspicion")


class NoSuchRow(TedError):
    """The dataset has no such row; rows are counted from 0, or named by their keys with --keys."""


def explain_rows(decisions: Path, suspects: Path | None, rows: Sequence[int]) -> list[RowFacts]:
    """Return the facts about these rows, in their order. Raises NoSuchRow, and ManifestMismatch for other files."""
    count = read_metadata(decisions, DECISIONS_SCHEMA).dataset.rows
    for row in rows:
        if not 0 <= row < count:
            raise NoSuchRow(f"Row {row:,} is not one of the dataset's {count:,}")
    return _explained(decisions, suspects, "row_index", rows)


def explain_keys(decisions: Path, suspects: Path | None, keys: Sequence[str]) -> list[RowFacts]:
    """Return the facts about the rows with these keys, in their order. Raises as ``explain_rows`` does."""
    read_metadata(decisions, DECISIONS_SCHEMA)
    return _explained(decisions, suspects, "sample_key", keys)


def _explained(decisions: Path, suspects: Path | None, name: str, wanted: Sequence[Any]) -> list[RowFacts]:
    decided = _read(decisions, name, wanted)
    if missing := set(wanted) - {facts[name] for facts in decided}:
        raise NoSuchRow(f"No row has the {name.replace('_', ' ')} {min(missing)!r}")
    suspicious = {facts["row_index"]: facts for facts in (_read(suspects, name, wanted) if suspects else ())}
    in_order = sorted(decided, key=lambda facts: wanted.index(facts[name]))
    return [facts | _suspicion(suspicious.get(facts["row_index"])) for facts in in_order]


def _suspicion(suspect: RowFacts | None) -> RowFacts:
    return {name: suspect and suspect[name] for name in OF_SUSPECTS}


def _read(path: Path, name: str, wanted: Sequence[Any]) -> list[RowFacts]:
    """Return the file's rows with one of these values. Only row groups that may hold some are read."""
    field = pq.read_schema(path).field(name)
    table = pq.read_table(path, filters=pc.field(name).isin(pa.array(wanted, field.type)))
    return [{column: _or_none(value) for column, value in facts.items()} for facts in table.to_pylist()]


def _or_none(value: Any) -> Any:
    """Return None for what does not exist."""
    return None if isinstance(value, float) and math.isnan(value) else value
