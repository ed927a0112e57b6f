"""TED: which rows of a training set are worth training on, decided by internal generalization.

``ted_core.select`` chooses rows of data that are in memory; it loads torch when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ted_core.in_memory.select import select
    from ted_core.in_memory.selection import Selection

__all__ = ["Selection", "select"]
MODULES = {"Selection": "selection", "select": "select"}


def __getattr__(name: str) -> object:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.in_memory.{MODULES[name]}"), name)
