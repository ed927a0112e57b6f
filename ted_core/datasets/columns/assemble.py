"""Rows with named columns → samples: images are decoded, numbers set side by side, texts and conversations kept."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ted_core.datasets.columns import conversations as dialogues
from ted_core.datasets.columns.array_cache import Allocate, ArrayCache, DecodedInputs
from ted_core.datasets.columns.images import Decoder
from ted_core.datasets.columns.labels import labels, named_classes
from ted_core.datasets.columns.roles import Roles, named_inputs
from ted_core.datasets.columns.schemas import abbreviated_list
from ted_core.datasets.columns.spooled_table import SpooledTable, spool_table
from ted_core.datasets.columns.tabular import gather_table, vectors
from ted_core.datasets.columns.types import encoded_images, is_category, refuse_nulls, sample_keys
from ted_core.datasets.limits import Limits
from ted_core.datasets.row_locations import RowLocations
from ted_core.datasets.samples import Dialogues, Inputs, Samples, Texts
from ted_core.datasets.spec import DatasetSpec, TaskName
from ted_core.errors import UnusableInputs

IMAGES_AT_A_TIME, ENCODED_BYTES = 4096, 16 << 20
"""Rows whose images are in memory in their encoded form, and what these take together unless one alone takes more."""


@dataclass(frozen=True)
class RowSource:
    """A dataset's rows on their way to becoming samples."""

    read: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]
    """The columns of these names, in row order."""
    schema: pa.Schema
    roles: Roles
    spec: DatasetSpec
    locations: RowLocations
    limits: Limits

    @property
    def other_columns(self) -> list[str]:
        """The columns that are no input: targets and ids."""
        return [name for name in self.roles.names if name not in self.roles.inputs]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All columns that have a role."""
        return self.read(self.roles.names)

    def array_cache(self) -> ArrayCache:
        """Room for the inputs, where an earlier job may have left them: of the same rows, with the same settings."""
        settings = self.spec.model_dump(mode="json", include={"format", "task", "image_size", "missing"})
        chosen = {"inputs": self.roles.inputs, "named": self.spec.input is not None}
        return ArrayCache(self.limits, **settings, **chosen, max_undecodable=self.limits.max_undecodable)


class AssembledInputs(NamedTuple):
    """The inputs, and what else was read."""

    inputs: Inputs
    table: pa.Table
    """Targets and ids of every row."""
    usable: np.ndarray
    """The rows that the inputs belong to."""


def assemble_samples(rows: RowSource) -> Samples:
    """The rows, decoded. Raises TedErrors that name field and rows."""
    inputs, table, usable = INPUTS[rows.spec.base_task](rows)
    found = labels(table, rows.roles.targets, places=rows.locations, limits=rows.limits)
    keys = sample_keys(table[rows.roles.key] if rows.roles.key else None)
    pa.default_memory_pool().release_unused()  # it would keep for later batches what training needs now
    codes = found.codes if len(usable) == rows.locations.total else found.codes[usable]
    total, cache = rows.locations.total, rows.limits.cache
    classes = named_classes(found.classes, rows.schema, rows.roles.targets)
    return Samples(inputs, codes, classes, usable, rows=total, sample_key=keys, cache=cache)


def _every(rows: RowSource) -> np.ndarray:
    return np.arange(rows.locations.total, dtype=np.uint64)


# --- one array: images and tables -------------------------------------------------------------------------------------


def _array_of(
    make: Callable[[RowSource, Allocate], tuple[DecodedInputs, pa.Table]],
) -> Callable[[RowSource], AssembledInputs]:
    """What ``make`` decodes into an array, or an earlier job has."""

    def assembled(rows: RowSource) -> AssembledInputs:
        with rows.array_cache() as space:
            found = space.load()
            if found is None:
                made, table = make(rows, space.array)
                found = space.save(made)
            else:
                table = spool_table(rows.read(rows.other_columns), rows.limits)
        return AssembledInputs(found.inputs, table, np.flatnonzero(found.usable).astype(np.uint64))

    return assembled


def _images(rows: RowSource, allocate: Allocate) -> tuple[DecodedInputs, pa.Table]:
    """Images decoded as they are read, so that their encoded form is never held as a whole."""
    limits, others, name = rows.limits, SpooledTable(rows.limits), rows.roles.inputs[0]
    decoder = Decoder(
        rows.locations.total,
        threads=limits.threads,
        allocate=allocate,
        image_size=rows.spec.image_size,
        name=lambda row: _named(row, rows, others),
    )
    for batch in rows.batches():
        others.add(_detached_copy(batch.select(rows.other_columns)))
        for part in _some_images(batch[name]):
            decoder.add(encoded_images(part))
    return DecodedInputs(decoder.images(max_undecodable=limits.max_undecodable), decoder.decoded), others.table()


def _detached_copy(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A copy: columns may be parts of one buffer, which all of the batch's images lie in too."""
    return batch.take(pa.array(np.arange(batch.num_rows)))


def _some_images(column: pa.Array) -> Iterator[pa.Array]:
    fitting = ENCODED_BYTES * len(column) // max(column.nbytes, 1)
    step = min(IMAGES_AT_A_TIME, max(1, fitting))
    return (column.slice(start, step) for start in range(0, len(column), step))


def _named(row: int, rows: RowSource, others: SpooledTable) -> str:
    """The row's place and, where the dataset has ids of its own, its id."""
    where, key = rows.locations.name(row), rows.roles.key
    return f"{where} ({others.table()[key][row]})" if key else where


def _tables(rows: RowSource, allocate: Allocate) -> tuple[DecodedInputs, pa.Table]:
    """Columns that the request names, or else numbers and what proves to be categories."""
    inputs = rows.roles.inputs
    doubtful = [name for name in inputs if rows.spec.input is None and is_category(rows.schema.field(name).type)]
    table = gather_table(rows.batches(), doubtful=doubtful, limits=rows.limits)
    features = table.select([name for name in inputs if name in table.column_names])
    if not features.num_columns:
        fact = f"{abbreviated_list(doubtful)} hold too many different strings to be categories; name those that are"
        raise UnusableInputs(fact, field="dataset.input")
    values = vectors(features, missing=rows.spec.missing, places=rows.locations, allocate=allocate)
    return DecodedInputs(values, np.ones(len(values), bool)), table.select(rows.other_columns)


# --- texts and conversations ------------------------------------------------------------------------------------------


def _texts(rows: RowSource) -> AssembledInputs:
    table = spool_table(rows.batches(), rows.limits)
    for name in rows.roles.inputs:
        refuse_nulls(table[name], name=name, field="dataset.input", places=rows.locations)
    parts = tuple(table[name].cast(pa.string()) for name in rows.roles.inputs)
    return AssembledInputs(Texts(parts), table, _every(rows))


def _dialogues(rows: RowSource) -> AssembledInputs:
    layout = dialogues.layout(rows.schema, named_inputs(rows.spec))
    turns, others = SpooledTable(rows.limits), SpooledTable(rows.limits)
    for batch in rows.batches():
        turns.add(pa.record_batch([layout.turns(*(batch[name] for name in layout.columns))], ["turns"]))
        others.add(batch.select(rows.other_columns))
    conversations = turns.table()["turns"]
    dialogues.check_turns(conversations, name=" and ".join(layout.columns), places=rows.locations)
    return AssembledInputs(Dialogues(conversations), others.table(), _every(rows))


INPUTS: Mapping[TaskName, Callable[[RowSource], AssembledInputs]] = {
    "image-classification": _array_of(_images),
    "tabular-classification": _array_of(_tables),
    "text-classification": _texts,
    "causal-lm": _dialogues,
}
