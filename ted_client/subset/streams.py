"""Streams of samples: WebDataset's pipelines, and torch's ``IterableDataset``, of which Mosaic's is one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, partial
from typing import Any

from ted_client.subset.kept_keys import KeptSamples
from ted_client.subset.request import WEIGHT, SubsetRequest

WEBDATASET_KEY = "__key__"


def webdataset(dataset: Any, request: SubsetRequest) -> Any:
    """Return the pipeline with a filter of samples by ``__key__``, which further stages can follow.

    So it comes before what takes the key away, such as ``to_tuple``, and behind any shuffling.
    """
    kept = KeptSamples.of(request, key=_field(request) or WEBDATASET_KEY)
    return dataset.compose(partial(_retained, kept))


def iterable(dataset: Any, request: SubsetRequest) -> Any:
    """Return a stream of those samples, mappings, whose key the manifest retains."""
    return _stream_type()(dataset, KeptSamples.of(request, key=_field(request)))


def _field(request: SubsetRequest) -> str | None:
    if request.keys is not None and not isinstance(request.keys, str):
        raise TypeError("A stream takes the name of the field of its keys, not the keys themselves")
    return request.keys


def _retained(kept: KeptSamples, samples: Iterable[Any]) -> Iterator[Any]:
    for sample in filter(kept, samples):
        yield sample if kept.weights is None else {**sample, WEIGHT: kept.weight(sample)}


class FilteredStream:
    """A stream's retained samples. Each worker filters what it is given."""

    def __init__(self, dataset: Any, kept: KeptSamples) -> None:
        self.dataset, self.kept = dataset, kept

    def __iter__(self) -> Iterator[Any]:
        return _retained(self.kept, self.dataset)

    def __getattr__(self, name: str) -> Any:
        """Return what the stream itself offers, such as ``set_epoch``."""
        if name == "dataset" or name.startswith("__"):  # while it is being unpickled; what the type has to offer
            raise AttributeError(name)
        return getattr(self.dataset, name)


@cache
def _stream_type() -> type:
    """``RetainedStream``: torch's loader knows streams by their class, and torch is loaded only by those who train."""
    from torch.utils.data import IterableDataset  # noqa: PLC0415 - see above

    return type("RetainedStream", (FilteredStream, IterableDataset), {"__module__": __name__})


def __getattr__(name: str) -> Any:
    if name == "RetainedStream":  # as pickle names it to a loader's workers
        return _stream_type()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
