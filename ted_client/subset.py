"""The part of a dataset to train on, according to a manifest. It needs ``ted-coreset[manifest]``, and torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ted_core.results.manifest import read_manifest

if TYPE_CHECKING:
    from torch.utils.data import Dataset, StackDataset, Subset

    from ted_client.row_identity import Keys


def retained(dataset: Dataset[Any], manifest: str | Path, *, keys: Keys | None = None) -> Subset[Any]:
    """Return the retained rows of a map-style dataset, in the dataset's order.

    >>> dataset = [(f"picture {row}", row % 2) for row in range(8)]
    >>> [picture for picture, label in retained(dataset, "manifest.parquet")]
    ['picture 1', 'picture 2', 'picture 3', 'picture 7']

    ``DataLoader(retained(dataset, "manifest.parquet"), batch_size=128, shuffle=True)`` trains on them. Their indices
    take eight bytes each, in a temporary file that all of its workers map.

    That the dataset's rows are in the manifest's order is checked by what it tells of them: the paths of a torchvision
    ``ImageFolder``, a column of ids (``sample_key``, ``__key__``, ``uid``, ``id``) or of classes in a Hugging Face
    dataset, an attribute ``sample_keys``, ``targets``. For others, ``keys`` are the ids of all rows, or the name of the
    column that holds them:

    >>> keys = [f"row-{row}" for row in reversed(range(8))]
    >>> retained(dataset, "manifest.parquet", keys=keys)
    Traceback (most recent call last):
    ...
    ted_core.errors.ManifestMismatch: Row 1 of the dataset is 'row-6', in the manifest 'row-1'; ...

    Raise ManifestMismatch if rows are missing, or are others than those from which the manifest was made.
    """
    from torch.utils.data import Subset  # noqa: PLC0415 - torch is loaded only by those who train

    from ted_client.mapped_rows import MappedRows  # noqa: PLC0415 - NumPy with it
    from ted_client.row_identity import check_rows  # noqa: PLC0415 - what reads data with it

    selection = read_manifest(manifest)
    check_rows(dataset, selection, keys=keys)
    return Subset(dataset, MappedRows.of(selection))


def retained_with_weights(
    dataset: Dataset[Any], manifest: str | Path, *, keys: Keys | None = None
) -> StackDataset[tuple[Any, ...]]:
    """Return pairs of a retained row and its weight, a float32 tensor without axes; otherwise as ``retained``.

    >>> dataset = [(f"picture {row}", row % 2) for row in range(8)]
    >>> [(picture, weight.item()) for (picture, label), weight in retained_with_weights(dataset, "weighted.parquet")]
    [('picture 1', 0.5), ('picture 2', 0.5), ('picture 3', 1.0), ('picture 7', 2.0)]

    The weights of all rows that a job kept have the mean 1. A batch's loss is ``(weights * losses).mean()``, of losses
    that are not yet averaged; dividing by the batch's sum of weights would be another loss.

    Raise ManifestMismatch as ``retained`` does, and WeightsUnknown if the manifest is of schema version 1 or its method
    does not draw rows: every weight would be 1 without meaning anything.
    """
    import torch  # noqa: PLC0415 - loaded only by those who train
    from torch.utils.data import StackDataset  # noqa: PLC0415 - as torch

    weights: Any = torch.from_numpy(read_manifest(manifest).weights.copy())  # indexed like a dataset
    return StackDataset(retained(dataset, manifest, keys=keys), weights)
