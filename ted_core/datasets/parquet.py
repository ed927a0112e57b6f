"""Parquet: a file, or a folder of files that share one schema."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ted_core.datasets import columns
from ted_core.datasets.formats import Format, Limits, Outline
from ted_core.datasets.images import Decoder
from ted_core.datasets.samples import Samples
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import (
    DatasetUnreadable,
    MissingValues,
    SchemasDiffer,
    UnknownColumn,
    UnusableInputs,
    UnusableLabels,
)

BATCH_ROWS = 4096
DEFAULT_TARGET, DEFAULT_IMAGE = "label", "image"
LISTED = 30


def files(path: Path, _: DatasetSpec) -> Sequence[Path]:
    """The file itself, or the folder's ``*.parquet`` files in name order."""
    if path.is_file():
        return [path]
    found = sorted(path.glob("*.parquet"))
    if not found:
        raise DatasetUnreadable(f"{path} holds no *.parquet file", field="dataset.uri")
    return found


def outline(paths: Sequence[Path], spec: DatasetSpec) -> Outline:
    """Columns and rows from the footers; no data page is read."""
    try:
        return _outline(paths, spec)
    except UnicodeDecodeError as error:
        raise DatasetUnreadable(f"A column's name is not UTF-8 ({error})", field="dataset.uri") from error


def _outline(paths: Sequence[Path], spec: DatasetSpec) -> Outline:
    footers = [_footer(path) for path in paths]
    schema = footers[0].schema.to_arrow_schema()
    for path, footer in zip(paths, footers, strict=True):
        _check_schema(path, schema, footer.schema.to_arrow_schema())
    used = [*input_columns(schema, spec), target_column(schema, spec)]
    for path, footer in zip(paths, footers, strict=True):
        _refuse_known_nulls(path, footer, used)
    return Outline(tuple(schema.names), tuple(footer.num_rows for footer in footers))


def _footer(path: Path) -> pq.FileMetaData:
    try:
        return pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise DatasetUnreadable(f"{path.name} is not a Parquet file ({error})", field="dataset.format") from error


def _check_schema(path: Path, expected: pa.Schema, found: pa.Schema) -> None:
    if found.remove_metadata().equals(expected.remove_metadata()):
        return
    different = sorted({str(field) for field in expected} ^ {str(field) for field in found})
    what = ", ".join(different[:LISTED]) or "the order of its columns"
    raise SchemasDiffer(f"{path.name} differs from the first file in {what}", field="dataset.uri")


def _refuse_known_nulls(path: Path, footer: pq.FileMetaData, used: Sequence[str]) -> None:
    """Raise MissingValues where the footer's statistics already show nulls in a column that is used."""
    top_level = set(footer.schema.to_arrow_schema().names)
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        for index in range(group.num_columns):
            chunk = group.column(index)
            name, leaf = _column_and_leaf(chunk.path_in_schema, top_level)
            # What stands beside an image's bytes, such as Hugging Face's path, may be null.
            matters = name in used and (leaf in ("", "bytes") or leaf.startswith("list."))
            if matters and chunk.is_stats_set and chunk.statistics.null_count:
                field = "dataset.target" if name == used[-1] else "dataset.input"
                raise MissingValues(
                    f"Column {name!r} of {path.name} has {chunk.statistics.null_count} nulls", field=field
                )


def _column_and_leaf(path: str, top_level: Collection[str]) -> tuple[str, str]:
    """The column that a path in the schema belongs to, whose own name may hold dots, and what follows its name."""
    if path in top_level:
        return path, ""
    name, _, leaf = path.partition(".")
    return name, leaf


# --- which columns ----------------------------------------------------------------------------------------------------


def target_column(schema: pa.Schema, spec: DatasetSpec) -> str:
    """The column of the classes. Raises UnknownColumn, UnusableLabels."""
    name = _known(schema, spec.target or DEFAULT_TARGET, field="dataset.target")
    kind = schema.field(name).type
    if not columns.is_label(kind):
        raise UnusableLabels(f"Column {name!r} is of type {kind}", field="dataset.target")
    return name


def input_columns(schema: pa.Schema, spec: DatasetSpec) -> list[str]:
    """The columns that the proxy sees: one of images, or any of numbers. Raises UnknownColumn, UnusableInputs."""
    names = [_known(schema, name, field="dataset.input") for name in _named_inputs(schema, spec)]
    kinds = [schema.field(name).type for name in names]
    if spec.task == "image-classification" and len(names) == 1 and columns.is_image(kinds[0]):
        return names
    wanted = "encoded image bytes" if spec.task == "image-classification" else "numbers or lists of numbers"
    for name, kind in zip(names, kinds, strict=True):
        if spec.task == "image-classification" or not (columns.is_number(kind) or columns.is_vector(kind)):
            raise UnusableInputs(f"Column {name!r} is of type {kind}, not {wanted}", field="dataset.input")
    return names


def _named_inputs(schema: pa.Schema, spec: DatasetSpec) -> list[str]:
    target = spec.target or DEFAULT_TARGET
    if spec.input is not None:
        chosen = [spec.input] if isinstance(spec.input, str) else spec.input
        if target in chosen:
            raise UnusableInputs(f"{target!r} is the target and would give itself away", field="dataset.input")
        return chosen
    if spec.task == "image-classification":
        return [DEFAULT_IMAGE]
    skipped = {target, *columns.KEY_NAMES}
    found = [field.name for field in schema if columns.is_number(field.type) and field.name not in skipped]
    if not found:
        raise UnusableInputs("No numeric column was found beside the target", field="dataset.input")
    return found


def _known(schema: pa.Schema, name: str, *, field: str) -> str:
    columns_of_that_name = schema.get_all_field_indices(name)
    if not columns_of_that_name:
        raise UnknownColumn(f"{name!r} is not among {', '.join(schema.names[:LISTED])}", field=field)
    if len(columns_of_that_name) > 1:
        raise DatasetUnreadable(f"{name!r} is the name of several columns", field=field)
    return name


# --- the rows ---------------------------------------------------------------------------------------------------------


def load(paths: Sequence[Path], spec: DatasetSpec, limits: Limits) -> Samples:
    """Every row; images decoded as the files are read, so that their encoded form is never held as a whole."""
    schema = _footer(paths[0]).schema.to_arrow_schema()
    inputs, target = input_columns(schema, spec), target_column(schema, spec)
    key = next((name for name in columns.KEY_NAMES if name in schema.names), None)
    small = [target, *([key] if key and key != target else [])]
    images = columns.is_image(schema.field(inputs[0]).type)
    table = _read(paths, small if images else [*inputs, *small])
    labels = columns.labels(table[target], name=target)
    rows = np.arange(table.num_rows, dtype=np.uint64)
    if not images:
        values, usable = columns.vectors({name: table[name] for name in inputs}), rows
    else:
        values, usable = _images(paths, inputs[0], rows=table.num_rows, limits=limits)
    keys = columns.sample_keys(table[key] if key in table.column_names else None)
    return Samples(values, labels.codes[usable], labels.classes, usable, rows=len(rows), sample_key=keys)


def _images(paths: Sequence[Path], column: str, *, rows: int, limits: Limits) -> tuple[np.ndarray, np.ndarray]:
    """The decodable images, and the indices of their rows."""
    decoder = Decoder(rows, threads=limits.threads, memory_limit=limits.memory_bytes)
    for batch in _batches(paths, column):
        decoder.add(columns.encoded_images(batch))
    images = decoder.images(max_undecodable=limits.max_undecodable)
    usable = np.flatnonzero(decoder.decoded).astype(np.uint64)
    return (images if len(usable) == rows else images[decoder.decoded]), usable


def _batches(paths: Sequence[Path], column: str) -> Iterator[pa.Array]:
    for path in paths:
        with _open(path) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=[column]):
                yield batch.column(0)


def _read(paths: Sequence[Path], names: Sequence[str]) -> pa.Table:
    tables = []
    for path in paths:
        with _open(path) as file:
            tables.append(file.read(columns=list(names)))
    return pa.concat_tables(tables)


@contextmanager
def _open(path: Path) -> Iterator[pq.ParquetFile]:
    """The file; damage that reading it reveals becomes DatasetUnreadable."""
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise DatasetUnreadable(f"{path.name} is damaged ({error})", field="dataset.uri") from error


PARQUET = Format(files, outline, load)
