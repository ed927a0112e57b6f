"""Rows with named columns → samples: images are decoded, numbers set side by side, texts and conversations kept."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ted_core.datasets.columns import conversations
from ted_core.datasets.columns.array_cache import Allocate, ArrayCache, DecodedInputs
from ted_core.datasets.columns.images.decoder import Decoder
from ted_core.datasets.columns.images.image_files import ImageSettings
from ted_core.datasets.columns.labels import labels, named_labels, warn_of_doubtful
from ted_core.datasets.columns.left_out import note_left_out
from ted_core.datasets.columns.roles import Roles, named_inputs
from ted_core.datasets.columns.sample_keys import sample_keys
from ted_core.datasets.columns.schemas import abbreviated_list
from ted_core.datasets.columns.spooled_table import SpooledTable, spool_table
from ted_core.datasets.columns.tabular import gather_table, vectors, warn_of_measures
from ted_core.datasets.columns.turns import check_turns
from ted_core.datasets.columns.types import (
    encoded_images,
    is_category,
    refuse_nulls,
    unusable_types_refused,
    without_dictionaries,
)
from ted_core.datasets.exchange.owner import current_owner, exchanged
from ted_core.datasets.exchange.tables import of_all_owners
from ted_core.datasets.findings import warn
from ted_core.datasets.limits import Limits
from ted_core.datasets.row_locations import RowLocations
from ted_core.datasets.samples import Dialogues, InputColumns, Inputs, Labels, Ownership, Samples, Texts
from ted_core.datasets.spec import DatasetSpec, TaskName
from ted_core.errors import UnusableInputs, UnusableLabels
from ted_core.warnings import WarningCode

IMAGES_AT_A_TIME, ENCODED_BYTES = 4096, 16 << 20
"""How many encoded images are in memory at a time, and how many bytes unless one image alone takes more."""

TEXTS_AT_A_TIME = 65_536


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
    whole: RowLocations | None = None
    """Of the dataset, if these are the rows of one owner among several."""

    @property
    def all_locations(self) -> RowLocations:
        """Where the rows of all owners are."""
        return self.whole or self.locations

    @property
    def other_columns(self) -> list[str]:
        """Targets and ids, which may be inputs as well."""
        return [*self.roles.targets, *([self.roles.key] if self.roles.key else [])]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read all columns that have a role."""
        return self.read(self.roles.names)

    def array_cache(self) -> ArrayCache:
        """Return the cache where an earlier job may have left the inputs of the same rows, with the same settings."""
        settings = self.spec.model_dump(mode="json", exclude={"uri", "input", "target"})
        columns = {"inputs": self.roles.inputs, "named": self.spec.input is not None}
        return ArrayCache(self.limits, **settings, **columns, max_undecodable=self.limits.max_undecodable)


class AssembledInputs(NamedTuple):
    """The inputs, and what else was read."""

    inputs: Inputs
    table: pa.Table
    """Targets and ids of every row."""
    usable: np.ndarray
    """The rows that the inputs belong to."""


def assemble_samples(rows: RowSource) -> Samples:
    """Decode the rows. Raises TedErrors that name field and rows."""
    inputs, own_table, own_usable = INPUTS[rows.spec.base_task](rows)
    table, usable = of_all_owners(own_table), _usable_of_all(own_usable, rows)
    target = classes_of(table, rows)
    warn_of_doubtful(target)
    keys = sample_keys(table[rows.roles.key] if rows.roles.key else None, name=rows.roles.key)
    pa.default_memory_pool().release_unused()  # it would keep for later batches what training needs now
    total = rows.all_locations.total
    codes = target.codes if len(usable) == total else target.codes[usable]
    columns = InputColumns(rows.roles.inputs)
    return Samples(
        inputs,
        codes,
        target.classes,
        usable,
        rows=total,
        sample_key=keys,
        cache=rows.limits.cache,
        cache_bytes=rows.limits.cache_bytes,
        columns=columns,
        ownership=_ownership(len(own_usable)),
    )


def _usable_of_all(own: np.ndarray, rows: RowSource) -> np.ndarray:
    """The rows of the dataset that inputs belong to, whichever owner has them."""
    if current_owner().count == 1:
        return own
    parts = exchanged((own, rows.locations.total))
    starts = accumulate((total for _, total in parts), initial=0)
    return np.concatenate([usable + np.uint64(start) for (usable, _), start in zip(parts, starts, strict=False)])


def _ownership(own: int) -> Ownership | None:
    """Which owner has the inputs of which samples, if there are several."""
    owner = current_owner()
    return None if owner.count == 1 else Ownership(tuple(accumulate(exchanged(own), initial=0)), owner.number)


def classes_of(table: pa.Table, rows: RowSource) -> Labels:
    """Return what the targets in the table say of every row, by the names that the classes have.

    Raises MissingValues, UnusableLabels, SingleClass, DatasetTooLarge.
    """
    locations = rows.all_locations
    with unusable_types_refused(UnusableLabels, rows.roles.targets, "dataset.target"):
        codes_only = labels(table, rows.roles.targets, locations=locations, limits=rows.limits)
        return named_labels(codes_only, rows.schema, rows.roles.targets, locations=locations)


def _all_rows(rows: RowSource) -> np.ndarray:
    return np.arange(rows.locations.total, dtype=np.uint64)


# --- one array: images and tables -------------------------------------------------------------------------------------


def _cached(
    decode: Callable[[RowSource, Allocate], tuple[DecodedInputs, pa.Table]],
) -> Callable[[RowSource], AssembledInputs]:
    """What ``decode`` puts into an array, or an earlier job has left in the cache."""

    def assemble(rows: RowSource) -> AssembledInputs:
        with rows.array_cache() as cache:
            decoded = cache.load()
            is_cached = all(exchanged(decoded is not None))  # or else all owners decode: they agree on how
            if decoded is None or not is_cached:
                uncached, table = decode(rows, cache.array)
                decoded = cache.save(uncached)
            else:
                table = spool_table(rows.read(rows.other_columns), rows.limits)
        return AssembledInputs(decoded.inputs, table, np.flatnonzero(decoded.usable).astype(np.uint64))

    return assemble


def _images(rows: RowSource, allocate: Allocate) -> tuple[DecodedInputs, pa.Table]:
    """Images decoded as they are read, so that their encoded form is never held as a whole."""
    others = SpooledTable(rows.limits)
    decoder = Decoder(
        rows.locations.total,
        threads=rows.limits.threads,
        allocate=allocate,
        settings=ImageSettings.of(rows.spec),
        name=lambda row: _row_name(row, rows, others),
    )
    for batch in rows.batches():
        others.add(_detached_copy(batch.select(rows.other_columns)))
        for part in _parts(batch[rows.roles.inputs[0]]):
            decoder.add(encoded_images(part))
    images = decoder.images(max_undecodable=rows.limits.max_undecodable)
    decoder.findings(name=rows.all_locations.name if current_owner().count > 1 else None).warn()
    return DecodedInputs(images, decoder.decoded), others.table()


def _detached_copy(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A copy: columns may share one buffer, which also holds all of the batch's images."""
    return batch.take(pa.array(np.arange(batch.num_rows)))


def _parts(column: pa.Array) -> Iterator[pa.Array]:
    """The encoded images, a few at a time."""
    fitting = ENCODED_BYTES * len(column) // max(column.nbytes, 1)
    step = min(IMAGES_AT_A_TIME, max(1, fitting))
    return (column.slice(start, step) for start in range(0, len(column), step))


def _row_name(row: int, rows: RowSource, others: SpooledTable) -> str:
    """The row's location and, if the dataset has ids of its own, its id."""
    location = rows.locations.name(row)
    key = rows.roles.key
    return f"{location} ({others.table()[key][row]})" if key else location


def _tables(rows: RowSource, allocate: Allocate) -> tuple[DecodedInputs, pa.Table]:
    """The columns that the request names, or else those of numbers and those that prove to hold categories."""
    inputs = rows.roles.inputs
    usual = {} if rows.spec.input else {name: rows.schema.field(name).type for name in inputs}
    strings = [name for name, data_type in usual.items() if is_category(data_type)]
    table, left_out = gather_table(
        rows.batches(),
        inputs=inputs,
        possible_categories=strings,
        possible_counters=[name for name, data_type in usual.items() if pa.types.is_integer(data_type)],
        limits=rows.limits,
        locations=rows.locations,
    )
    note_left_out(left_out)
    features = table.select([name for name in inputs if name not in left_out])
    if not features.num_columns:
        fact = f"{abbreviated_list(strings)} hold too many different strings to be categories; name those that are"
        raise UnusableInputs(fact, field="dataset.input")
    warn_of_measures(features)
    values = vectors(features, missing=rows.spec.missing, locations=rows.locations, allocate=allocate)
    return DecodedInputs(values, np.ones(len(values), bool)), table.select(rows.other_columns)


# --- texts and conversations ------------------------------------------------------------------------------------------


def _texts(rows: RowSource) -> AssembledInputs:
    table = spool_table(rows.batches(), rows.limits)
    for name in rows.roles.inputs:
        refuse_nulls(table[name], name=name, field="dataset.input", locations=rows.locations)
    parts = tuple(_strings(table[name]) for name in rows.roles.inputs)
    warn_of_empty(parts, locations=rows.locations)
    return AssembledInputs(Texts(parts), table, _all_rows(rows))


def warn_of_empty(parts: Sequence[pa.ChunkedArray], *, locations: RowLocations) -> None:
    """Warn of rows all of whose texts hold nothing but blanks."""
    blank = [pc.equal(pc.binary_length(pc.utf8_trim_whitespace(part)), 0).to_numpy() for part in parts]
    if len(rows := np.flatnonzero(np.logical_and.reduce(blank))):
        warn(WarningCode.TEXTS_EMPTY, f"There is no text in {locations.first(rows)}", field="dataset.input")


def _strings(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Some rows at a time: a dictionary may stand for more text than one array of strings can hold."""
    slices = (
        chunk.slice(start, TEXTS_AT_A_TIME)
        for chunk in column.chunks
        for start in range(0, len(chunk), TEXTS_AT_A_TIME)
    )
    return pa.chunked_array([without_dictionaries(texts).cast(pa.string()) for texts in slices], pa.string())


def _dialogues(rows: RowSource) -> AssembledInputs:
    layout = conversations.layout(rows.schema, named_inputs(rows.spec), excluded=rows.spec.exclude or ())
    turns, others = SpooledTable(rows.limits), SpooledTable(rows.limits)
    for batch in rows.batches():
        turns.add(pa.record_batch([layout.turns(batch)], ["turns"]))
        others.add(batch.select(rows.other_columns))
    column = turns.table()["turns"]
    check_turns(column, name=" and ".join(layout.columns), locations=rows.locations)
    return AssembledInputs(Dialogues(column), others.table(), _all_rows(rows))


INPUTS: Mapping[TaskName, Callable[[RowSource], AssembledInputs]] = {
    "image-classification": _cached(_images),
    "tabular-classification": _cached(_tables),
    "text-classification": _texts,
    "causal-lm": _dialogues,
}
