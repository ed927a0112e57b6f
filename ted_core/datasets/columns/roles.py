"""Which of a dataset's columns are inputs, targets and ids: those the request names, or the task's usual ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ted_core.datasets.columns import conversations, types
from ted_core.datasets.columns.schemas import abbreviated_list
from ted_core.datasets.spec import DatasetSpec, TaskName
from ted_core.errors import DatasetUnreadable, SettingUnsuited, UnknownColumn, UnusableInputs, UnusableLabels

DEFAULT_TARGET, DEFAULT_IMAGE = "label", "image"
DEFAULT_TEXTS = ("text", "sentence")
"""The first of them that exists."""
MOST_TEXTS = 2


@dataclass(frozen=True)
class Roles:
    """The columns that a job reads."""

    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    """Empty if nothing is classified; several if each column is a class."""
    key: str | None
    """The column of the dataset's own ids."""

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
    inputs = _existing(schema, INPUTS[spec.base_task](schema, spec), field="dataset.input")
    targets = _existing(schema, _targets(spec), field="dataset.target")
    _check_targets(schema, targets)
    both = next((name for name in inputs if name in targets), None)
    if both is not None:
        raise UnusableInputs(f"{both!r} is the target and would give itself away", field="dataset.input")
    CHECKS[spec.base_task](schema, inputs)
    key = next((name for name in types.KEY_NAMES if schema.names.count(name) == 1), None)
    return Roles(inputs, targets, key)


def _refuse_unsuited(spec: DatasetSpec) -> None:
    if spec.base_task == "causal-lm" and spec.target is not None:
        raise SettingUnsuited("causal-lm learns the answers themselves", field="dataset.target")
    if spec.base_task != "tabular-classification" and spec.missing == "impute":
        raise SettingUnsuited(
            f"{spec.base_task} has no table whose missing values can be imputed", field="dataset.missing"
        )
    if spec.base_task != "image-classification" and spec.image_size is not None:
        raise SettingUnsuited(f"{spec.base_task} has no images to resize", field="dataset.image_size")


def _existing(schema: pa.Schema, names: Sequence[str], *, field: str) -> tuple[str, ...]:
    for name in names:
        if name not in schema.names:
            raise UnknownColumn(f"{name!r} is not among {abbreviated_list(schema.names)}", field=field)
        if schema.names.count(name) > 1:
            raise DatasetUnreadable(f"{name!r} is the name of several columns", field=field)
    return tuple(dict.fromkeys(names))


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
            raise UnusableLabels(f"Column {name!r} is of type {data_type}", field="dataset.target")


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
    """The columns named, or all of numbers and categories but targets and ids; too many categories are seen later."""
    skipped = {*_targets(spec), *types.KEY_NAMES}
    usual = [field.name for field in schema if _is_feature(field.type) and field.name not in skipped]
    if not (names := named_inputs(spec) or usual):
        raise UnusableInputs("No column of numbers or categories was found beside the target", field="dataset.input")
    return names


def _is_feature(data_type: pa.DataType) -> bool:
    return types.is_number(data_type) or types.is_category(data_type)


def _texts(schema: pa.Schema, spec: DatasetSpec) -> Sequence[str]:
    usual = next((name for name in DEFAULT_TEXTS if name in schema.names), DEFAULT_TEXTS[0])
    return named_inputs(spec) or [usual]


def _turns(schema: pa.Schema, spec: DatasetSpec) -> Sequence[str]:
    return conversations.layout(schema, _existing(schema, named_inputs(spec), field="dataset.input")).columns


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
