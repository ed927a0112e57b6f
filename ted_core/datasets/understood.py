"""What a dataset was taken for: files, format, columns, classes and its first row, for people to check."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated

import pyarrow as pa
from pydantic import Field

from ted_core.datasets.findings import SHOWN, Findings
from ted_core.errors import shortened
from ted_core.warnings import encodable


@dataclass(frozen=True)
class SchemaSummary:
    """What can be known of a dataset without reading its rows."""

    columns: tuple[str, ...]
    rows: tuple[int, ...] | None
    """Rows per file; None if the inspection's budget did not suffice to count them."""
    several_classes: bool = False
    """Whether the target gives a row any number of classes."""
    input_shape: tuple[int, ...] | None = None
    """The shape of one input, as the model sees it, or a lower bound of it; None if headers show neither."""
    inputs: tuple[str, ...] = ()
    """The columns that the model sees."""
    targets: tuple[str, ...] = ()
    key: str | None = None
    """The column of the dataset's own ids."""
    classes: Mapping[str, int] | None = None
    """Rows of each class, in the order of the labels; None if nothing is classified or the budget did not suffice."""
    first_row: Mapping[str, str] | None = None
    """What the model sees of the first row, as text: an input's name, or "label", and its value; None if unknown."""
    schema: pa.Schema | None = field(default=None, repr=False, compare=False)
    """Of all rows, whose types hold whatever they hold; None if that is not known or rows are no records."""
    findings: Findings = field(default_factory=Findings)
    """What was noticed on the way; ``loading`` fills it in."""


@dataclass(frozen=True)
class LeftOut:
    """A file that is not read, or a column that is no input."""

    name: str
    reason: str


@dataclass(frozen=True)
class ClassRows:
    """A class, and how many rows have it."""

    name: str
    rows: int


@dataclass(frozen=True)
class Understood:
    """What a dataset was taken for. Lists hold the first hundred; beside each stands how many there are."""

    format: Annotated[str, Field(description="As requested, or as names and first bytes show.")]
    files: Annotated[
        tuple[str, ...],
        Field(description="Those that are read, in row order; a folder that counts as one file is one."),
    ]
    file_count: int
    passed_over: Annotated[tuple[LeftOut, ...], Field(description="Files in the dataset's folder that are not read.")]
    passed_over_count: int
    inputs: Annotated[tuple[str, ...], Field(description="The columns that the model sees.")]
    input_count: int
    targets: Annotated[tuple[str, ...], Field(description="The columns that hold the class or classes.")]
    key: Annotated[str | None, Field(description="The column of the dataset's own ids, if it has one.")]
    left_out: Annotated[tuple[LeftOut, ...], Field(description="Columns that the model does not see.")]
    left_out_count: int
    classes: Annotated[
        tuple[ClassRows, ...] | None,
        Field(
            description="In the order of the labels; null if nothing is classified, or counting would have taken too "
            "long."
        ),
    ]
    class_count: int | None
    first_row: Annotated[
        dict[str, str] | None,
        Field(
            description="The first row as the model sees it, as text: the first hundred inputs and the label, each by "
            "its name; null if nobody has looked, or nobody but the worker may."
        ),
    ]


def understood(summary: SchemaSummary, *, file_format: str, files: Sequence[str]) -> Understood:
    """Return what the dataset of this summary was taken for."""
    noticed, classes, row = summary.findings, summary.classes, summary.first_row
    inputs = [name for name in summary.inputs if name not in noticed.left_out]
    return Understood(
        format=file_format,
        files=_first(files),
        file_count=len(files),
        passed_over=_left_out(noticed.passed_over),
        passed_over_count=len(noticed.passed_over) + sum(noticed.passed_over_unnamed.values()),
        inputs=_first(inputs),
        input_count=len(inputs),
        targets=_first(summary.targets),
        key=summary.key and _text(summary.key),
        left_out=_left_out(noticed.left_out),
        left_out_count=len(noticed.left_out),
        classes=None if classes is None else _class_rows(classes),
        class_count=None if classes is None else len(classes),
        first_row=None if row is None else _first_row(row),
    )


def _text(text: str) -> str:
    """What a file says, in a length that an answer can hold and in characters that JSON can."""
    return encodable(shortened(text))


def _first(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(_text, islice(names, SHOWN)))


def _left_out(reasons: Mapping[str, str]) -> tuple[LeftOut, ...]:
    return tuple(LeftOut(_text(name), _text(reason)) for name, reason in islice(reasons.items(), SHOWN))


def _class_rows(classes: Mapping[str, int]) -> tuple[ClassRows, ...]:
    return tuple(ClassRows(_text(name), rows) for name, rows in islice(classes.items(), SHOWN))


def _first_row(row: Mapping[str, str]) -> dict[str, str]:
    """The first inputs and, however many there are, the label, which readers put last."""
    shown = [*islice(row.items(), SHOWN), *list(row.items())[-1:]]
    return {_text(name): _text(value) for name, value in shown}
