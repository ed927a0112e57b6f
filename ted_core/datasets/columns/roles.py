"""Which of a dataset's columns are inputs, targets and ids: those the request names, or the task's usual ones."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from ted_core.datasets.columns import conversations, types
from ted_core.datasets.columns.left_out import IDS, LeftOutColumn, left_out_of_tables
from ted_core.datasets.columns.schemas import abbreviated_list
from ted_core.datasets.spec import DatasetSpec, TaskName
from ted_core.errors import DatasetUnreadable, SettingUnsuited, UnknownColumn, UnusableInputs, UnusableLabels
from ted_core.suggestions import did_you_mean

DEFAULT_TARGET, DEFAULT_IMAGE = "label", "image"
DEFAULT_TEXTS = ("text", "sentence")
"""The first of them that exists."""
PARTNERS = frozenset(
    {*DEFAULT_TEXTS, "question", "question1", "question2", "sentence1", "sentence2", "premise", "hypothesis", "pair"}
    | {"text1", "text2", "text_a", "text_b", "text_pair", "context", "passage", "query", "title", "subject", "headline"}
)
"""What a further column of texts may be called, in lower case, that belongs to the usual one."""
MOST_TEXTS = 2
OF_IMAGES = {"image_size": "to resize", "colour": "with or without colour", "background": "with transparency"}
"""What a request may say of images, and what they would need to have."""


@dataclass(frozen=True)
class Roles:
    """The columns that a job reads."""

    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    """Empty if nothing is classified; several if each column is a class."""
    key: str | None
    """The column of the dataset's own ids."""
    left_out: Mapping[str, LeftOutColumn] = field(default_factory=dict, compare=False)
    """Columns that are no inputs; which strings are categories, and which numbers count the rows, is seen later."""

    def several_classes(self, schema: pa.Schema) -> bool:
        """Return whether the targets give a row any number of classes: as several columns, or as a list."""
        return len(self.targets) > 1 or any(types.is_list(schema.field(name).type) for name in self.targets)

    @property
    def names(self) -> tuple[str, ...]:
        """Every column once."""
        return tuple(dict.fromkeys((*self.inputs, *self.targets, *((self.key,) if self.key else ()))))


def roles(schema: pa.Schema, spec: DatasetSpec) -> Roles:
    """Choose the columns that the task reads, and check their types.

    Raises UnknownColumn, UnusableInputs, UnusableLabels, SettingUnsuited, DatasetUnreadable.
    """
    _refuse_unsuited(spec)
    _check_excluded(schema, spec)
    left_out = _left_out(schema, spec)
    inputs = _existing(schema, INPUTS[spec.base_task](_without(schema, left_out, spec), spec), field="dataset.input")
    targets = _existing(schema, _targets(spec), field="dataset.target")
    _check_targets(schema, targets)
    if both := {*inputs} & {*targets}:
        raise UnusableInputs(f"{min(both)!r} is the target and would give itself away", field="dataset.input")
    CHECKS[spec.base_task](schema, inputs)
    no_keys = {*(spec.exclude or ()), *targets, *(inputs if spec.base_task == "image-classification" else ())}
    key = next((name for name in types.KEY_NAMES if name not in no_keys and schema.names.count(name) == 1), None)
    return Roles(inputs, targets, key, {name: reason for name, reason in left_out.items() if name not in inputs})


def least_shape(schema: pa.Schema, inputs: Sequence[str], spec: DatasetSpec) -> tuple[int, ...] | None:
    """Return the least shape of an input that types and the request show; None if they show none.

    Images may turn out to have colours. A table's column is one feature at least, unless its strings prove to be free
    text; a list of fixed length is as many.
    """
    if spec.base_task == "image-classification":
        return None if spec.image_size is None else (3 if spec.colour else 1, spec.image_size, spec.image_size)
    if spec.base_task != "tabular-classification":
        return ()
    columns = [schema.field(name).type for name in inputs]
    return (sum(_features_of(column) for column in columns if spec.input or not types.is_category(column)),)


def _features_of(column: pa.DataType) -> int:
    return int(column.list_size) if pa.types.is_fixed_size_list(column) else 1


def _refuse_unsuited(spec: DatasetSpec) -> None:
    if spec.base_task == "causal-lm" and spec.target is not None:
        raise SettingUnsuited("causal-lm learns the answers themselves", field="dataset.target")
    if spec.base_task != "tabular-classification" and spec.missing == "impute":
        raise SettingUnsuited(
            f"{spec.base_task} has no table whose missing values can be imputed", field="dataset.missing"
        )
    if spec.base_task != "image-classification":
        _refuse_image_settings(spec)


def _refuse_image_settings(spec: DatasetSpec) -> None:
    for name, fact in OF_IMAGES.items():
        if getattr(spec, name) is not None:
            raise SettingUnsuited(f"{spec.base_task} has no images {fact}", field=f"dataset.{name}")


def _existing(schema: pa.Schema, names: Sequence[str], *, field: str) -> tuple[str, ...]:
    columns = Counter(schema.names)
    for name in names:
        if not columns[name]:
            fact = f"{name!r} is not among {abbreviated_list(schema.names)}{did_you_mean(name, schema.names)}"
            raise UnknownColumn(fact, field=field)
        if columns[name] > 1:
            raise DatasetUnreadable(f"{name!r} is the name of several columns", field=field)
    return tuple(dict.fromkeys(names))


# --- what is left out -------------------------------------------------------------------------------------------------


def _check_excluded(schema: pa.Schema, spec: DatasetSpec) -> None:
    """Raise UnknownColumn or SettingUnsuited for columns whose exclusion means nothing."""
    columns, used = {*schema.names}, {*named_inputs(spec), *_targets(spec)}
    for name in spec.exclude or ():
        if name not in columns:
            raise UnknownColumn(f"{name!r} is not among {abbreviated_list(schema.names)}", field="dataset.exclude")
        if name in used:
            raise SettingUnsuited(f"{name!r} is an input or the target", field="dataset.exclude")
        if not (name in types.KEY_NAMES or _may_be_usual(name, spec) or _is_partner(schema.field(name), spec)):
            raise SettingUnsuited(f"{name!r} would not be read anyhow", field="dataset.exclude")


def _may_be_usual(name: str, spec: DatasetSpec) -> bool:
    """Whether the column might be an input without being named."""
    usual = USUAL.get(spec.base_task)
    return spec.input is None and (usual is None or name in usual)


def _left_out(schema: pa.Schema, spec: DatasetSpec) -> dict[str, LeftOutColumn]:
    if spec.base_task == "tabular-classification" and spec.input is None:
        reasons = left_out_of_tables(schema, _targets(spec))
    else:
        reasons = {} if spec.base_task == "causal-lm" else _not_named(schema, spec)
    return reasons | dict.fromkeys(spec.exclude or (), EXCLUDED)


def _not_named(schema: pa.Schema, spec: DatasetSpec) -> dict[str, LeftOutColumn]:
    used = {*named_inputs(spec), *_targets(spec)}
    if usual := _usual_text(schema, spec):
        used.add(usual)
    return {field.name: _why_not_named(field, spec) for field in schema if field.name not in used}


def _why_not_named(column: pa.Field, spec: DatasetSpec) -> LeftOutColumn:
    if column.name in types.KEY_NAMES:
        return IDS
    return PARTNER if _is_partner(column, spec) else NOT_NAMED


def _is_partner(column: pa.Field, spec: DatasetSpec) -> bool:
    """Whether texts in a column that is not named may belong to the usual ones, as a question to its sentence."""
    of_texts = spec.base_task == "text-classification" and spec.input is None
    return of_texts and column.name.lower() in PARTNERS and types.is_text(column.type)


def _without(schema: pa.Schema, left_out: Mapping[str, LeftOutColumn], spec: DatasetSpec) -> pa.Schema:
    """The columns that may be usual inputs."""
    is_table = spec.base_task == "tabular-classification"
    hidden = {*left_out} if is_table and spec.input is None else {*(spec.exclude or ())}
    return pa.schema([column for column in schema if column.name not in hidden], schema.metadata) if hidden else schema


NOT_NAMED = LeftOutColumn("is not named as an input", is_unexpected=False)
PARTNER = LeftOutColumn("holds texts that may belong to the input's, but is not named as one")
EXCLUDED = LeftOutColumn("is excluded by the request", is_unexpected=False)
USUAL: Mapping[TaskName, Sequence[str]] = {
    "image-classification": (DEFAULT_IMAGE,),
    "text-classification": DEFAULT_TEXTS,
}
"""The names that a task's inputs have unless the request names them; those of other tasks are many."""


# --- targets ----------------------------------------------------------------------------------------------------------


def _targets(spec: DatasetSpec) -> tuple[str, ...]:
    if spec.base_task == "causal-lm":
        return ()
    target = spec.target or DEFAULT_TARGET
    return (target,) if isinstance(target, str) else tuple(target)


def _check_targets(schema: pa.Schema, targets: Sequence[str]) -> None:
    several = len(targets) > 1
    for name in targets:
        data_type = schema.field(name).type
        if not (types.is_number(data_type) if several else _names_classes(data_type)):
            lists = "; lists name the classes of a row" if types.is_list(data_type) else ""
            raise UnusableLabels(f"Column {name!r} is of type {data_type}{lists}", field="dataset.target")


def _names_classes(data_type: pa.DataType) -> bool:
    return types.is_label(data_type) or types.is_label_list(data_type)


# --- inputs -----------------------------------------------------------------------------------------------------------


def named_inputs(spec: DatasetSpec) -> list[str]:
    """Return the columns that the request names; none if it means the task's usual ones."""
    if spec.input is None:
        return []
    return [spec.input] if isinstance(spec.input, str) else spec.input


def _images(_: pa.Schema, spec: DatasetSpec) -> Sequence[str]:
    return named_inputs(spec) or [DEFAULT_IMAGE]


def _features(schema: pa.Schema, spec: DatasetSpec) -> Sequence[str]:
    """The columns named, or all that are not left out; too many categories are seen later."""
    targets = {*_targets(spec)}
    if not (names := named_inputs(spec) or [name for name in schema.names if name not in targets]):
        raise UnusableInputs("No column of numbers or categories was found beside the target", field="dataset.input")
    return names


def _is_feature(data_type: pa.DataType) -> bool:
    return types.is_number(data_type) or types.is_category(data_type)


def _texts(schema: pa.Schema, spec: DatasetSpec) -> Sequence[str]:
    return named_inputs(spec) or [_usual_text(schema, spec) or DEFAULT_TEXTS[0]]


def _usual_text(schema: pa.Schema, spec: DatasetSpec) -> str | None:
    """The column of texts that is read if none is named; None for other tasks, or if there is no usual one."""
    if spec.base_task != "text-classification" or spec.input is not None:
        return None
    return next((name for name in DEFAULT_TEXTS if name in schema.names and name not in (spec.exclude or ())), None)


def _turns(schema: pa.Schema, spec: DatasetSpec) -> Sequence[str]:
    names = _existing(schema, named_inputs(spec), field="dataset.input")
    return conversations.layout(schema, names, excluded=spec.exclude or ()).columns


INPUTS: Mapping[TaskName, Callable[[pa.Schema, DatasetSpec], Sequence[str]]] = {
    "image-classification": _images,
    "tabular-classification": _features,
    "text-classification": _texts,
    "causal-lm": _turns,
}


# --- types of inputs --------------------------------------------------------------------------------------------------


def _check_images(schema: pa.Schema, names: Sequence[str]) -> None:
    if len(names) > 1:
        raise UnusableInputs(f"{len(names)} columns are named; images are a single one", field="dataset.input")
    _check_types(schema, names, types.is_image, expected="encoded image bytes")


def _check_features(schema: pa.Schema, names: Sequence[str]) -> None:
    expected = "numbers, lists of numbers or strings"
    _check_types(schema, names, lambda column: _is_feature(column) or types.is_vector(column), expected=expected)


def _check_texts(schema: pa.Schema, names: Sequence[str]) -> None:
    if len(names) > MOST_TEXTS:
        raise UnusableInputs(f"{len(names)} columns are named; texts are one or two", field="dataset.input")
    _check_types(schema, names, types.is_text, expected="strings")


def _check_types(
    schema: pa.Schema, names: Sequence[str], is_usable: Callable[[pa.DataType], bool], *, expected: str
) -> None:
    for name in names:
        data_type = schema.field(name).type
        if not is_usable(data_type):
            raise UnusableInputs(f"Column {name!r} is of type {data_type}, not {expected}", field="dataset.input")


def _already_checked(_: pa.Schema, __: Sequence[str]) -> None:
    """A layout of conversations was chosen by its types."""


CHECKS: Mapping[TaskName, Callable[[pa.Schema, Sequence[str]], None]] = {
    "image-classification": _check_images,
    "tabular-classification": _check_features,
    "text-classification": _check_texts,
    "causal-lm": _already_checked,
}
