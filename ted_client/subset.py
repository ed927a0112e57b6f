"""The part of a dataset to train on, according to a manifest. It needs ``ted-coreset[manifest]``, and torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ted_core.results.manifest import read_manifest

if TYPE_CHECKING:
    from torch.utils.data import Dataset, Subset


def retained(dataset: Dataset[Any], manifest: str | Path) -> Subset[Any]:
    """Return the retained rows of a map-style dataset, in the dataset's order.

    >>> dataset = [(f"picture {row}", row % 2) for row in range(8)]
    >>> [picture for picture, label in retained(dataset, "manifest.parquet")]
    ['picture 1', 'picture 2', 'picture 3', 'picture 7']

    ``DataLoader(retained(dataset, "manifest.parquet"), batch_size=128, shuffle=True)`` trains on them.

    Raise ManifestMismatch if the dataset has not as many rows as the one from which the manifest was made.
    """
    from torch.utils.data import Subset  # noqa: PLC0415 - torch is loaded only by those who train

    from ted_core.errors import ManifestMismatch  # noqa: PLC0415

    selection = read_manifest(manifest)
    if len(dataset) != selection.metadata.dataset.rows:  # type: ignore[arg-type]
        raise ManifestMismatch(f"The dataset has {len(dataset)} rows, not {selection.metadata.dataset.rows}")  # type: ignore[arg-type]
    return Subset(dataset, selection.row_indices.tolist())
