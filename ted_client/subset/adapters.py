"""``retained``: a dataset of whichever library → its retained rows, as that library has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ted_client.subset import frames, huggingface, map_style, streams
from ted_client.subset.request import Keys, SubsetRequest
from ted_core.results.manifest import Manifest, read_manifest

RetainedOf = Callable[[Any, SubsetRequest], Any]

ADAPTERS: Mapping[str, RetainedOf] = {
    "datasets.Dataset": huggingface.select,
    "datasets.IterableDataset": huggingface.stream,
    "webdataset.DataPipeline": streams.webdataset,
    "torch.IterableDataset": streams.iterable,  # of which mosaicml-streaming's StreamingDataset is one
    "pandas.DataFrame": frames.pandas,
    "polars.DataFrame": frames.polars,
    "polars.LazyFrame": frames.polars_lazy,
    "pyarrow.Table": frames.arrow,
    "duckdb.DuckDBPyRelation": frames.duckdb,
}
"""A library's class, by its own name and that of the package it comes from; nothing is imported to find out."""


def retained(
    dataset: Any,
    manifest: str | Path | Manifest,
    *,
    keys: Keys | None = None,
    weights: bool = False,
    verify: bool = True,
) -> Any:
    """Return the retained rows of a dataset, in its own order, as its library has them.

    >>> dataset = [(f"picture {row}", row % 2) for row in range(8)]
    >>> [picture for picture, label in retained(dataset, "manifest.parquet")]
    ['picture 1', 'picture 2', 'picture 3', 'picture 7']

    ===========================================  =====================================================================
    torch's map-style datasets, and sequences    a ``Subset``, whose indices lie in a file that all workers map
    Hugging Face ``Dataset``                     a ``Dataset``
    Hugging Face ``IterableDataset``             an ``IterableDataset``: by key or, without keys, by shard and row
    WebDataset                                   the pipeline and, as its last stage, a filter by ``__key__``
    torch's ``IterableDataset``, and so Mosaic   an ``IterableDataset`` that filters samples by their key
    pandas, polars, Arrow, a DuckDB relation     a frame, lazy frame, table or relation
    ===========================================  =====================================================================

    That the dataset's rows are in the manifest's order is checked by what it tells of them: the paths of a torchvision
    ``ImageFolder``, a column of ids (``sample_key``, ``__key__``, ``uid``, ``id``) or of classes, an attribute
    ``sample_keys``, ``targets``. For others, ``keys`` are the ids of all rows, or the name of the column that holds
    them:

    >>> keys = [f"row-{row}" for row in reversed(range(8))]
    >>> retained(dataset, "manifest.parquet", keys=keys)
    Traceback (most recent call last):
    ...
    ted_core.errors.ManifestMismatch: Row 1 of the dataset is 'row-6', in the manifest 'row-1'; ...

    With ``verify=False``, a map-style dataset or table is only compared in length.

    With ``weights=True`` tables and streams of dictionaries get a column or field ``weight``, and anything else becomes
    pairs of a sample and its weight, a float32 tensor without axes:

    >>> pairs = retained(dataset, "weighted.parquet", weights=True)
    >>> [(picture, weight.item()) for (picture, label), weight in pairs]
    [('picture 1', 0.5), ('picture 2', 0.5), ('picture 3', 1.0), ('picture 7', 2.0)]

    The weights of all rows that a job kept have the mean 1. A batch's loss is ``(weights * losses).mean()``, of losses
    that are not yet averaged; dividing by the batch's sum of weights would be another loss.

    Raise ManifestMismatch if rows are missing, or are others than those from which the manifest was made; a stream
    raises it when that shows. Raise TypeError for what is no dataset, SettingUnsuited if there is a column ``weight``
    already, and WeightsUnknown if the manifest is of schema version 1 or its method does not draw rows: every weight
    would be 1 without meaning anything.
    """
    selection = manifest if isinstance(manifest, Manifest) else read_manifest(manifest)
    return _adapter(dataset)(dataset, SubsetRequest(selection, keys, weights, verify))


def _adapter(dataset: Any) -> RetainedOf:
    """The adapter of the nearest class that has one."""
    for ancestor in type(dataset).__mro__:
        package = ancestor.__module__.partition(".")[0]
        if adapter := ADAPTERS.get(f"{package}.{ancestor.__name__}"):
            return adapter
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):
        return map_style.subset
    known = ", ".join(name.partition(".")[0] for name in dict.fromkeys(ADAPTERS))
    raise TypeError(f"{type(dataset).__name__} has no rows that can be numbered, and is no dataset of {known}")
