"""A manifest → the part of a dataset to train on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ted_core.results.manifest import read_manifest

if TYPE_CHECKING:
    from torch.utils.data import Dataset, Subset


def retained(dataset: Dataset[Any], manifest: str | Path) -> Subset[Any]:
    """The retained rows of a map-style dataset, in its own order.

    Raises ManifestMismatch where the dataset has another number of rows than the one the manifest was made from.
    """
    from torch.utils.data import Subset  # noqa: PLC0415 - torch is loaded only by those who train

    from ted_core.errors import ManifestMismatch  # noqa: PLC0415

    found = read_manifest(manifest)
    if len(dataset) != found.metadata.dataset.rows:  # type: ignore[arg-type]
        raise ManifestMismatch(f"The dataset has {len(dataset)} rows, not {found.metadata.dataset.rows}")  # type: ignore[arg-type]
    return Subset(dataset, found.row_indices.tolist())
