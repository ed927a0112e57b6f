"""What is asked of an adapter, and what all of them say of weights."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from ted_core.errors import SettingUnsuited
from ted_core.results.manifest import Manifest

Keys = Sequence[Any] | str
"""The ids of all of a dataset's rows, or the name of the column or field that holds them."""
WEIGHT = "weight"
"""The column, or the field of a sample, that weights become."""


@dataclass(frozen=True)
class SubsetRequest:
    """Which rows are to be retained, and how."""

    manifest: Manifest
    keys: Keys | None
    weights: bool
    """Whether each row is to come with its weight."""
    verify: bool
    """Whether to compare the rows that are there with the manifest's."""

    @property
    def added_columns(self) -> dict[str, Any]:
        """The columns that the retained rows get besides their own, in the order of ``row_indices``."""
        return {WEIGHT: self.manifest.weights} if self.weights else {}


def refuse_taken(request: SubsetRequest, names: Collection[str]) -> None:
    """Raise SettingUnsuited if a dataset with columns of these names has no place for weights."""
    if request.weights and WEIGHT in names:
        raise SettingUnsuited(f"The dataset has a column {WEIGHT!r} of its own, which weights would replace")
