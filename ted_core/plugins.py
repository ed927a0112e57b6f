"""What installed packages add: proxies, tasks and dataset formats, by entry points. Torch-free.

Only what an operator has installed is ever loaded. A request names a plug-in, and can bring no code of its own.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, TypeVar

from ted_core.suggestions import did_you_mean

Group = Literal["ted.proxies", "ted.tasks", "ted.datasets"]
T = TypeVar("T")


@dataclass(frozen=True)
class TaskFamily:
    """A task of an installed package: a loss of its own for inputs and targets that TED can read.

    A package adds one by an entry point of the group ``ted.tasks`` that holds such a value:

    >>> smoothed = TaskFamily(base="tabular-classification", task="my_package.losses:SMOOTHED")
    >>> smoothed.base
    'tabular-classification'
    """

    base: str
    """TED's own task whose inputs and targets it takes, such as ``tabular-classification``."""
    task: str
    """``module:attribute`` of its ``ted_core.training.objectives.Task``; imported only where torch is at hand."""


@cache
def installed(group: Group) -> dict[str, EntryPoint]:
    """The group's entry points by name; if two packages claim a name, the first by package name has it."""
    points = sorted(entry_points(group=group), key=lambda point: point.dist.name if point.dist else "", reverse=True)
    return {point.name: point for point in points}


@cache
def _loaded(group: Group, name: str) -> object:
    return installed(group)[name].load()


def plugin(group: Group, name: str, kind: type[T]) -> T | None:
    """Load an installed package's object of this name; None if there is none. Raises TypeError for a wrong object."""
    if name not in installed(group):
        return None
    value = _loaded(group, name)
    if not isinstance(value, kind):
        raise TypeError(f"Entry point {name} of {group} is a {type(value).__name__}, not a {kind.__name__}")
    return value


def name_validator(group: Group, own: Collection[str]) -> Callable[[str], str]:
    """Make a check that passes our own names and those of installed packages; for fields of a request."""

    def check(name: str) -> str:
        if name not in own and name not in installed(group):
            names = [*own, *installed(group)]
            raise ValueError(f"{name!r} is not among {', '.join(names)}{did_you_mean(name, names)}")
        return name

    return check


def name_schema(group: Group, own: Collection[str]) -> Callable[[dict[str, Any]], None]:
    """Make a function that writes into a JSON schema the names that ``name_validator`` takes."""
    return lambda schema: schema.update(enum=[*own, *installed(group)])
