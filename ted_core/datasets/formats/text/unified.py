"""One schema for all files of a text, whose types are known only once they were read.

A file without rows, or a column that is null in it, has no type of its own; whole numbers beside fractions are numbers.
A column that no single type fits is remembered with the reason, and refused only if the task reads it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from ted_core.datasets.columns.roles import named_inputs, roles
from ted_core.datasets.findings import warn
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import TedError, UnusableInputs, UnusableLabels
from ted_core.warnings import WarningCode

FIELD = "dataset.uri"


class Misfit(NamedTuple):
    """Why a column cannot be read."""

    error: type[TedError]
    fact: str


class UnifiedTypes(NamedTuple):
    """What all files together hold."""

    schema: pa.Schema
    """Of a column that cannot be read, the type that it seemed to have at first."""
    rows: tuple[int, ...]
    misfits: Mapping[str, Misfit]
    doubts: Mapping[str, str]
    """Column → a fact for a warning if it is read."""

    def check(self, spec: DatasetSpec) -> None:
        """Raise why a column that the task reads cannot be read; warn of those that may not be what they seem."""
        if not sum(self.rows) or not (self.misfits or self.doubts):
            return
        for name in self._read(spec):
            if misfit := self.misfits.get(name):
                raise misfit.error(misfit.fact, field=FIELD)
            if doubt := self.doubts.get(name):
                warn(WarningCode.TYPES_DIFFER, doubt, field=FIELD)

    def _read(self, spec: DatasetSpec) -> Sequence[str]:
        try:
            return roles(self.schema, spec).names
        except (UnusableInputs, UnusableLabels):  # which may come of the misfit
            targets = [spec.target] if isinstance(spec.target, str) else spec.target or []
            untyped = [name for name in self.misfits if self.schema.field(name).type == pa.null()]
            return [*named_inputs(spec), *targets, *untyped]
        except TedError:  # whoever asks next is told
            return []
