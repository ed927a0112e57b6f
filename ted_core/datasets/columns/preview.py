"""A look at some rows before a job is accepted: the classes and their rows, and the first row as the model sees it.

The first rows take the way that all rows take later, so that whatever goes wrong with them is refused at submission.
What only all rows together can decide (medians, which strings are categories, how many images may be damaged) is left
to the worker.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ted_core.datasets.budget import current_budget
from ted_core.datasets.columns import types
from ted_core.datasets.columns.assemble import INPUTS, AssembledInputs, RowSource, classes_of, warn_of_empty
from ted_core.datasets.columns.images.image_files import DecodedImage, ImageSettings, decode_image
from ted_core.datasets.columns.images.image_findings import ImageFindings, look_at_first
from ted_core.datasets.columns.labels import named_classes, warn_of_doubtful
from ted_core.datasets.columns.left_out import (
    COUNTER,
    MOST_CATEGORIES,
    TEXT,
    LeftOutColumn,
    RowCounters,
    note_left_out,
)
from ted_core.datasets.columns.roles import Roles
from ted_core.datasets.columns.sample_keys import sample_keys
from ted_core.datasets.columns.tabular import warn_of_measures
from ted_core.datasets.findings import findings, unheard_findings
from ted_core.datasets.limits import Limits
from ted_core.datasets.row_locations import RowLocations
from ted_core.datasets.samples import Dialogues, Labels, Texts
from ted_core.datasets.spec import DatasetSpec, TaskName
from ted_core.errors import (
    DatasetTooLarge,
    MissingValues,
    TedError,
    UndecodableImages,
    UnusableInputs,
)

ROWS, BYTES, IMAGES = 256, 8 << 20, 32
"""The first rows that are looked at: no more than these, or one. Decoding an image takes longest."""
COLUMNS = 256
"""The inputs of these rows that are looked at."""
TARGET_BYTES = 32 << 20
"""What the targets may take in memory for their classes to be counted."""
COUNTER_BYTES = 1 << 20
"""How much of what counts the first rows is read on, to see whether it counts the others too."""
SHOWN_CHARACTERS = 200
"""Of a list or a value that is no text."""


@dataclass(frozen=True)
class Preview:
    """What the look came to, as far as the budget went."""

    classes: Mapping[str, int] | None = None
    """Rows of each class, in the order of the labels."""
    first_row: Mapping[str, str] | None = None


@dataclass(frozen=True)
class RowsToPreview:
    """A dataset's rows, of which only some are to be looked at."""

    read: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]
    """The columns of these names, in row order, checked by Arrow, as far as the budget goes."""
    schema: pa.Schema
    roles: Roles
    spec: DatasetSpec
    locations: RowLocations
    """Of all rows; without rows if they are not counted."""

    def preview(self) -> Preview:
        """Look at the first rows, then count classes. Raises what loading all rows would.

        What takes too much memory is not looked at.
        """
        try:
            head = self._head()
            first_row = self._first_row(head) if head else None
            classes = self._classes() if self.roles.targets and self.locations.total else None
            if head and (key := self.roles.key):
                self._look_at_keys(head, key)
        except (MemoryError, pa.ArrowMemoryError, DatasetTooLarge):
            return Preview()
        return Preview(classes, first_row)

    # --- the first rows -----------------------------------------------------------------------------------------------

    def _first_row(self, head: "Head") -> Mapping[str, str]:
        with head.as_seen():
            row = FIRST_ROWS[self.spec.base_task](head)
        return row | head.label()

    def _head(self) -> "Head | None":
        inputs = self.roles.inputs[:COLUMNS]
        roles = replace(self.roles, inputs=inputs)
        batches = list(_first(self.read(roles.names)))
        rows = sum(batch.num_rows for batch in batches)
        if not rows:
            return None
        is_whole = rows == self.locations.total and inputs == self.roles.inputs
        locations = self.locations.first_only(rows)
        return Head(
            batches,
            self.schema,
            roles,
            self.spec,
            locations,
            self._counted_on,
            all_rows=self.locations.total,
            is_whole=is_whole,
        )

    def _counted_on(self, counters: RowCounters) -> RowCounters:
        """What still counts the rows if more of them are read; the same where nobody knows how many a file has."""
        if not self.locations.total:
            return counters
        further, size = RowCounters(counters.names(), self.locations), 0
        for batch in self.read(counters.names()):
            further.add(batch)
            size += batch.nbytes
            if size > COUNTER_BYTES or current_budget().is_spent():
                break
        return further

    # --- all targets --------------------------------------------------------------------------------------------------

    def _classes(self) -> Mapping[str, int] | None:
        batches, is_complete = self._whole(self.roles.targets)
        if not batches:
            return None
        table = pa.Table.from_batches(batches)
        if not is_complete:
            self._refuse_missing(table)
            return None
        target = classes_of(table, self._source([], self.locations, limits=Limits(memory_bytes=4 * TARGET_BYTES)))
        warn_of_doubtful(target)
        return class_rows(target)

    def _look_at_keys(self, head: "Head", key: str) -> None:
        """Warn once of ids that do not tell the first rows apart, or all, if they take little memory and time."""
        scope = "" if head.is_whole else f"the first {head.locations.total:,} rows"
        are_ids = sample_keys(head.table[key], name=key, scope=scope) is not None
        if not are_ids or head.is_whole or not self.locations.total or current_budget().is_spent():
            return
        batches, is_complete = self._whole((key,))
        if is_complete:
            sample_keys(pa.Table.from_batches(batches)[key], name=key)

    def _whole(self, names: Sequence[str]) -> tuple[list[pa.RecordBatch], bool]:
        """The columns as far as the budget goes, and whether these are all rows."""
        batches, size, rows = list[pa.RecordBatch](), 0, 0
        for batch in self.read(names):
            batches.append(batch)
            size, rows = size + batch.nbytes, rows + batch.num_rows
            if size > TARGET_BYTES or current_budget().is_spent():
                break
        return batches, rows == self.locations.total and not size > TARGET_BYTES

    def _refuse_missing(self, table: pa.Table) -> None:
        """Raise MissingValues for what is missing in some rows' targets; anything else depends on all rows."""
        locations = self.locations.first_only(len(table))
        with unheard_findings():
            try:
                with of_first_rows(len(table)):
                    classes_of(table, self._source([], locations, limits=Limits()))
            except MissingValues:
                raise
            except TedError:
                return

    def _source(self, batches: Sequence[pa.RecordBatch], locations: RowLocations, *, limits: Limits) -> RowSource:
        return RowSource(lambda names: iter(batches), self.schema, self.roles, self.spec, locations, limits)


def class_rows(target: Labels) -> Mapping[str, int]:
    """Return how many rows each class has."""
    several = target.codes.ndim > 1
    counts = target.codes.sum(0) if several else np.bincount(target.codes, minlength=len(target.classes))
    return dict(zip(target.classes, map(int, counts), strict=True))


def _first(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The first rows, one at least, as far as the budget goes."""
    rows, size = ROWS, BYTES
    for batch in batches:
        fitting = size * batch.num_rows // max(batch.nbytes, 1)
        part = batch.slice(0, max(1, min(rows, fitting)))
        if part.num_rows:
            yield part
        rows, size = rows - part.num_rows, size - part.nbytes
        if rows <= 0 or size <= 0 or current_budget().is_spent():
            return


@contextmanager
def of_first_rows(rows: int) -> Iterator[None]:
    """Say in errors that only the first rows were looked at."""
    try:
        yield
    except TedError as error:
        fact = f"{error.fact} (of the first {rows:,})" if error.fact else ""
        raise type(error)(fact, field=error.field) from error


# --- the first rows as they are seen ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Head:
    """A dataset's first rows."""

    batches: Sequence[pa.RecordBatch]
    schema: pa.Schema
    roles: Roles
    spec: DatasetSpec
    locations: RowLocations
    count_on: Callable[[RowCounters], RowCounters]
    """What counts these rows → what counts those that follow, too."""
    all_rows: int = field(kw_only=True)
    """How many the dataset has; 0 if they are not counted."""
    is_whole: bool = field(kw_only=True)
    """Whether the dataset has no more rows and columns."""

    @property
    def table(self) -> pa.Table:
        """All of them."""
        return pa.Table.from_batches(list(self.batches))

    @property
    def first(self) -> Mapping[str, object]:
        """The first of them, as Python's values."""
        row: dict[str, object] = self.batches[0].slice(0, 1).to_pylist()[0]
        return row

    @contextmanager
    def as_seen(self) -> Iterator[None]:
        """Let errors say that these are not all rows, and what cannot be done with their types."""
        scope = nullcontext() if self.is_whole else of_first_rows(self.locations.total)
        with scope, types.unusable_types_refused(UnusableInputs, self.roles.inputs, "dataset.input"):
            yield

    def assembled(self, inputs: Sequence[str]) -> AssembledInputs:
        """Return what becomes of these inputs. Nobody hears of warnings that the other rows may refute."""
        with nullcontext() if self.is_whole else unheard_findings():
            return INPUTS[self.spec.base_task](self._source(inputs))

    def named(self, inputs: Sequence[str]) -> "Head":
        """Return the same as if the request named these inputs: none of them is left out for what it holds."""
        return replace(self, spec=self.spec.model_copy(update={"input": list(inputs)}))

    def _source(self, inputs: Sequence[str]) -> RowSource:
        """The rows as those of a dataset of their own."""
        roles = replace(self.roles, inputs=tuple(inputs))

        def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
            return (batch.select(list(names)) for batch in self.batches)

        return RowSource(read, self.schema, roles, self.spec, self.locations, Limits())

    def label(self) -> dict[str, str]:
        """Return the first row's class, or its classes, under the name "label"."""
        targets, row = self.roles.targets, self.first
        if not targets:
            return {}
        if len(targets) > 1:
            return {"label": ", ".join(name for name in targets if row[name])}
        value = row[targets[0]]
        codes = tuple(str(code) for code in (value if isinstance(value, list) else [value]) if code is not None)
        return {"label": ", ".join(named_classes(codes, self.schema, targets))}


def _images(head: Head) -> dict[str, str]:
    """The first image's shape. Raises MissingValues, UndecodableImages; warns of what the first images show."""
    name = head.roles.inputs[0]
    encoded = [data for batch in head.batches for data in types.encoded_images(batch[name])]
    if None in encoded:
        raise MissingValues(f"Row {head.locations.name(encoded.index(None))} has no image", field="dataset.input")
    settings = ImageSettings.of(head.spec)
    shape, found = look_at_first(_decoded(encoded[:IMAGES], settings), settings, name=head.locations.name)
    if head.is_whole and len(found.decoded) == head.locations.total and not shape:
        head.assembled(head.roles.inputs)  # raises the error that names them
    _refuse_undecodable(head, found)
    found.warn()
    return {name: f"{'x'.join(map(str, shape))} pixels"} if shape else {}


def _refuse_undecodable(head: Head, found: ImageFindings) -> None:
    """Raise UndecodableImages if none of the images that may be looked at can be decoded: no accident damages all."""
    if len(found.decoded) == IMAGES and not found.decoded.any():
        fact = f"None of the first {IMAGES} images, first rows: {head.locations.name(0)}, …"
        raise UndecodableImages(fact, field="dataset.input")


def _decoded(encoded: Iterable[bytes | None], settings: ImageSettings) -> Iterator[DecodedImage | None]:
    """The images as far as the budget goes; None for one that is damaged."""
    for data in encoded:
        yield decode_image(data, settings)
        if current_budget().is_spent():
            return


def _table(head: Head) -> dict[str, str]:
    """The values of the inputs, without free text and counters. Raises UnusableInputs if they are nothing else."""
    left_out = {} if head.spec.input or head.is_whole else _left_out(head)
    note_left_out(left_out)
    inputs = [name for name in head.roles.inputs if name not in left_out]
    if head.is_whole or not inputs:
        head.assembled(head.roles.inputs)
    elif checked := inputs if head.spec.input else _numbers(head, inputs):
        head.named(checked).assembled(checked)
    if not head.is_whole:
        warn_of_measures(head.table.select(inputs))
    first, skipped = head.first, findings().left_out
    return {name: shown(first[name]) for name in inputs if name not in skipped}


def _left_out(head: Head) -> dict[str, LeftOutColumn]:
    texts = _free_texts(head)
    return texts | _counters(head, {*head.roles.inputs} - {*texts})


def _free_texts(head: Head) -> dict[str, LeftOutColumn]:
    """The inputs that are no categories whatever the other rows hold: unless named, they have few values."""
    table = head.table
    strings = [name for name in head.roles.inputs if types.is_category(head.schema.field(name).type)]
    values = {name: types.without_dictionaries(table[name].drop_null()) for name in strings}
    return {name: TEXT for name in strings if len(pc.unique(values[name])) > MOST_CATEGORIES}


def _counters(head: Head, inputs: Set[str]) -> dict[str, LeftOutColumn]:
    """Those of the inputs that count the rows as far as they were read, unless there are no others."""
    whole = [name for name in head.roles.inputs if pa.types.is_integer(head.schema.field(name).type)]
    counters = RowCounters(whole, head.locations)
    for batch in head.batches:
        counters.add(batch)
    if counters.names():
        counters = head.count_on(counters)
    found = counters.names()
    reason = COUNTER if counters.rows == head.all_rows else LeftOutColumn(f"counts the first {counters.rows:,} rows")
    return dict.fromkeys(found, reason) if {*found} != inputs else {}


def _numbers(head: Head, names: Sequence[str]) -> list[str]:
    """Those of which nothing depends on the other rows; whether strings are categories does."""
    return [name for name in names if not types.is_category(head.schema.field(name).type)]


def _texts(head: Head) -> dict[str, str]:
    texts = head.assembled(head.roles.inputs).inputs
    assert isinstance(texts, Texts)  # noqa: S101
    if not head.is_whole:
        warn_of_empty(texts.parts, locations=head.locations)
    return {name: str(head.first[name]) for name in head.roles.inputs}


def _dialogues(head: Head) -> dict[str, str]:
    """The turns by number and role; which of them are learned."""
    inputs = head.assembled(head.roles.inputs).inputs
    assert isinstance(inputs, Dialogues)  # noqa: S101
    turns = inputs.turns[0].as_py()
    names = [f"{number} {turn['role']}{_learned(number, turn)}" for number, turn in enumerate(turns, start=1)]
    contents = ["\n".join(filter(None, (turn["content"], turn.get("tool_calls")))) for turn in turns]
    return dict(zip(names, contents, strict=True))


def _learned(number: int, turn: Mapping[str, object]) -> str:
    answers = number > 1 and turn["role"] == "assistant"
    return " (learned)" if answers and turn.get("learned", True) else ""


def shown(value: object) -> str:
    """Return the value as text; of a list, the beginning."""
    text = str(value)
    return text if isinstance(value, str) or len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]} …"


FIRST_ROWS: Mapping[TaskName, Callable[[Head], dict[str, str]]] = {
    "image-classification": _images,
    "tabular-classification": _table,
    "text-classification": _texts,
    "causal-lm": _dialogues,
}
