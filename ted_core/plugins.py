"""What installed packages add: proxies, tasks and dataset formats, by entry points. Torch-free.

Only what an operator has installed is ever loaded. A request names a plug-in, and can bring no code of its own.
"""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Literal, TypeVar

Group = Literal["ted.proxies", "ted.tasks", "ted.datasets"]
T = TypeVar("T")


@cache
def installed(group: Group) -> dict[str, EntryPoint]:
    """The group's entry points by name; where two packages claim a name, the first by package name has it."""
    found = sorted(entry_points(group=group), key=lambda one: one.dist.name if one.dist else "", reverse=True)
    return {one.name: one for one in found}


@cache
def _loaded(group: Group, name: str) -> object:
    return installed(group)[name].load()


def plugin(group: Group, name: str, kind: type[T]) -> T | None:
    """What an installed package calls by this name; None where none does. Raises TypeError for a wrong object."""
    if name not in installed(group):
        return None
    found = _loaded(group, name)
    if not isinstance(found, kind):
        raise TypeError(f"Entry point {name} of {group} is a {type(found).__name__}, not a {kind.__name__}")
    return found
