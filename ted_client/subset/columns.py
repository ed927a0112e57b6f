"""What tables of several libraries have in common: columns by their names, and what these hold in some rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TableColumns:
    """The columns of a dataset that has some."""

    names: Collection[str]
    values: Callable[[str, Sequence[int]], list[Any]]
    """(column, rows) → what it holds in these rows, as it is stored."""
    class_names: Callable[[str], Any]
    """What a column's codes 0, 1 … are called, if the dataset says so."""


def columns_of(dataset: Any) -> TableColumns | None:
    """Return the dataset's columns; None if it is no table."""
    for ancestor in type(dataset).__mro__:
        package = ancestor.__module__.partition(".")[0]
        if columns := TABLES.get(f"{package}.{ancestor.__name__}"):
            return columns(dataset)
    return None


def _huggingface(dataset: Any) -> TableColumns:
    plain = dataset.with_format(None)
    return TableColumns(
        dataset.column_names,
        lambda name, rows: list(plain.select_columns([name]).select(rows)[name]),
        lambda name: getattr(dataset.features[name], "names", None),
    )


def _pandas(frame: Any) -> TableColumns:
    return TableColumns([*frame.columns], lambda name, rows: frame[name].iloc[rows].tolist(), _no_names)


def _polars(frame: Any) -> TableColumns:
    return TableColumns(frame.columns, lambda name, rows: frame[name].gather(rows).to_list(), _no_names)


def _arrow(table: Any) -> TableColumns:
    return TableColumns(
        table.column_names, lambda name, rows: table[name].take(np.asarray(rows)).to_pylist(), _no_names
    )


def _duckdb(relation: Any) -> TableColumns:
    """Each column is read once: a relation has no rows that could be asked for by number."""

    @cache
    def column(name: str) -> Any:
        return relation.select(f'"{name.replace(chr(34), 2 * chr(34))}"').to_arrow_table().column(0)

    return TableColumns(relation.columns, lambda name, rows: column(name).take(np.asarray(rows)).to_pylist(), _no_names)


def _no_names(_: str) -> None:
    """Frames and tables call classes what they hold."""


TABLES: Mapping[str, Callable[[Any], TableColumns]] = {
    "datasets.Dataset": _huggingface,
    "pandas.DataFrame": _pandas,
    "polars.DataFrame": _polars,
    "pyarrow.Table": _arrow,
    "duckdb.DuckDBPyRelation": _duckdb,
}
"""A library's class, as in ``adapters``."""
