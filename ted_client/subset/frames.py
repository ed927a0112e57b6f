"""Data frames and tables: the retained rows by their positions, which must be those of the manifest."""

from __future__ import annotations

from typing import Any

import numpy as np

from ted_client.subset.request import SubsetRequest, refuse_taken
from ted_client.subset.row_identity import check_length, check_rows

ROW = "ted_row_index"
NUMBERED = "SELECT *, row_number() OVER () - 1 AS {row} FROM ted_dataset"
RETAINED = "SELECT * EXCLUDE ({row}) FROM ({numbered}) JOIN ted_retained USING ({row}) ORDER BY {row}"


def pandas(frame: Any, request: SubsetRequest) -> Any:
    """Return the frame's retained rows, which keep their labels in the index."""
    rows = _rows(frame, request, names=frame.columns)
    return frame.iloc[rows].assign(**request.added_columns)


def polars(frame: Any, request: SubsetRequest) -> Any:
    """Return the frame's retained rows."""
    from polars import Series  # noqa: PLC0415 - only those who use it have it

    rows = _rows(frame, request, names=frame.columns)
    return frame[rows].with_columns(Series(name, values) for name, values in request.added_columns.items())


def polars_lazy(frame: Any, request: SubsetRequest) -> Any:
    """Return the retained rows of what the lazy frame collects."""
    return polars(frame.collect(), request).lazy()


def arrow(table: Any, request: SubsetRequest) -> Any:
    """Return the table's retained rows."""
    rows = _rows(table, request, names=table.column_names)
    chosen = table.take(rows)
    for name, values in request.added_columns.items():
        chosen = chosen.append_column(name, [values])
    return chosen


def duckdb(relation: Any, request: SubsetRequest) -> Any:
    """Return a relation of the retained rows, in the order in which the relation yields its rows.

    DuckDB keeps the order of files and tables unless ``preserve_insertion_order`` is off.
    """
    import pyarrow as pa  # noqa: PLC0415 - beside the other libraries

    rows = _rows(relation, request, names=relation.columns)
    ted_retained = pa.table({ROW: rows, **request.added_columns})  # which DuckDB finds by the variable's name
    query = RETAINED.format(row=ROW, numbered=NUMBERED.format(row=ROW))
    chosen = relation.query("ted_dataset", query)
    del ted_retained
    return chosen


def _rows(table: Any, request: SubsetRequest, *, names: Any) -> np.ndarray:
    """The retained rows, once the table has been checked. Raises ManifestMismatch, SettingUnsuited."""
    refuse_taken(request, list(names))
    check_length(table, request.manifest)
    if request.verify:
        check_rows(table, request.manifest, keys=request.keys)
    return request.manifest.row_indices
