"""torch's map-style datasets, and everything else that has a length and can be indexed."""

from __future__ import annotations

from typing import Any

from ted_client.subset.mapped_rows import MappedRows
from ted_client.subset.request import SubsetRequest
from ted_client.subset.row_identity import check_length, check_rows


def subset(dataset: Any, request: SubsetRequest) -> Any:
    """Return a ``Subset``; with weights, a ``StackDataset`` of pairs. Raises ManifestMismatch, WeightsUnknown."""
    from torch.utils.data import StackDataset, Subset  # noqa: PLC0415 - torch is loaded only by those who train

    check_length(dataset, request.manifest)
    if request.verify:
        check_rows(dataset, request.manifest, keys=request.keys)
    rows: Any = Subset(dataset, MappedRows.of(request.manifest))
    return StackDataset(rows, _weights(request)) if request.weights else rows


def _weights(request: SubsetRequest) -> Any:
    import torch  # noqa: PLC0415 - as above

    return torch.from_numpy(request.manifest.weights.copy())  # indexed like a dataset
