"""Rows with named columns → samples: images are decoded, numbers set side by side, texts and conversations kept."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ted_core.datasets import dialogues
from ted_core.datasets.columns import encoded_images, is_category, refuse_nulls, sample_keys
from ted_core.datasets.formats import Limits
from ted_core.datasets.images import Decoder
from ted_core.datasets.labels import labels
from ted_core.datasets.places import Places
from ted_core.datasets.roles import Roles, named_inputs
from ted_core.datasets.samples import Dialogues, Inputs, Samples, Texts
from ted_core.datasets.spec import DatasetSpec, Task
from ted_core.datasets.tabular import gathered, vectors
from ted_core.errors import UnusableInputs

IMAGES_AT_A_TIME = 4096
"""Rows whose images are in memory in their encoded form."""


@dataclass(frozen=True)
class Rows:
    """A dataset's rows on their way into memory."""

    batches: Iterator[pa.RecordBatch]
    """The columns that have a role, in row order."""
    schema: pa.Schema
    roles: Roles
    spec: DatasetSpec
    places: Places
    limits: Limits

    @property
    def others(self) -> list[str]:
        """The columns that are no input: targets and ids."""
        return [name for name in self.roles.names if name not in self.roles.inputs]


class Assembled(NamedTuple):
    """The inputs, and what else was read."""

    inputs: Inputs
    table: pa.Table
    """Targets and ids of every row."""
    usable: np.ndarray
    """The rows that the inputs belong to."""


def samples(rows: Rows) -> Samples:
    """The rows in memory. Raises TedErrors that name field and rows."""
    inputs, table, usable = INPUTS[rows.spec.base_task](rows)
    found = labels(table, rows.roles.targets, places=rows.places, limits=rows.limits)
    keys = sample_keys(table[rows.roles.key] if rows.roles.key else None)
    return Samples(inputs, found.codes[usable], found.classes, usable, rows=rows.places.total, sample_key=keys)


def _every(rows: Rows) -> np.ndarray:
    return np.arange(rows.places.total, dtype=np.uint64)


# --- images -----------------------------------------------------------------------------------------------------------


def _images(rows: Rows) -> Assembled:
    """Images decoded as they are read, so that their encoded form is never held as a whole."""
    limits, places = rows.limits, rows.places
    others: list[pa.RecordBatch] = []
    decoder = Decoder(
        places.total,
        threads=limits.threads,
        memory_limit=limits.memory_bytes,
        image_size=rows.spec.image_size,
        name=lambda row: _named(row, rows, others),
    )
    for batch in rows.batches:
        others.append(batch.select(rows.others))
        for start in range(0, batch.num_rows, IMAGES_AT_A_TIME):
            decoder.add(encoded_images(batch[rows.roles.inputs[0]].slice(start, IMAGES_AT_A_TIME)))
    images = decoder.images(max_undecodable=limits.max_undecodable)
    usable = np.flatnonzero(decoder.decoded).astype(np.uint64)
    whole = len(usable) == places.total
    return Assembled(images if whole else images[decoder.decoded], pa.Table.from_batches(others), usable)


def _named(row: int, rows: Rows, others: list[pa.RecordBatch]) -> str:
    """The row's place and, where the dataset has ids of its own, its id."""
    where, key = rows.places.name(row), rows.roles.key
    return f"{where} ({pa.Table.from_batches(others)[key][row]})" if key else where


# --- tables -----------------------------------------------------------------------------------------------------------


def _tables(rows: Rows) -> Assembled:
    """Columns that the request names, or else numbers and what proves to be categories."""
    inputs = rows.roles.inputs
    doubtful = [name for name in inputs if rows.spec.input is None and is_category(rows.schema.field(name).type)]
    table = gathered(rows.batches, doubtful=doubtful)
    features = table.select([name for name in inputs if name in table.column_names])
    if not features.num_columns:
        fact = f"{', '.join(doubtful)} hold too many different strings to be categories; name those that are"
        raise UnusableInputs(fact, field="dataset.input")
    values = vectors(features, missing=rows.spec.missing, places=rows.places, limits=rows.limits)
    return Assembled(values, table, _every(rows))


# --- texts and conversations ------------------------------------------------------------------------------------------


def _texts(rows: Rows) -> Assembled:
    table = pa.Table.from_batches(list(rows.batches))
    for name in rows.roles.inputs:
        refuse_nulls(table[name], name=name, field="dataset.input", places=rows.places)
    parts = tuple(table[name].cast(pa.string()) for name in rows.roles.inputs)
    return Assembled(Texts(parts, cache=rows.limits.cache), table, _every(rows))


def _dialogues(rows: Rows) -> Assembled:
    layout = dialogues.layout(rows.schema, named_inputs(rows.spec))
    turns, others = [], []
    for batch in rows.batches:
        turns.append(layout.turns(*(batch[name] for name in layout.columns)))
        others.append(batch.select(rows.others))
    conversations = pa.chunked_array(turns)
    dialogues.check(conversations, name=" and ".join(layout.columns), places=rows.places)
    return Assembled(Dialogues(conversations, cache=rows.limits.cache), pa.Table.from_batches(others), _every(rows))


INPUTS: Mapping[Task, Callable[[Rows], Assembled]] = {
    "image-classification": _images,
    "tabular-classification": _tables,
    "text-classification": _texts,
    "causal-lm": _dialogues,
}
