"""Which samples of a stream are retained, by their keys: 16 bytes for each, in a file that all workers map."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from ted_client.subset.mapped_rows import MappedArray
from ted_client.subset.request import SubsetRequest
from ted_core.datasets.columns.types import KEY_NAMES
from ted_core.errors import ManifestMismatch
from ted_core.results.manifest import Manifest

DIGEST_BYTES = 16
"""So many that no two keys of a dataset have the same digest."""


class KeptDigests(Sequence[bytes]):
    """The keys' digests, sorted."""

    def __init__(self, digests: MappedArray) -> None:
        self.digests = digests

    def __len__(self) -> int:
        return len(self.digests.array) // DIGEST_BYTES

    @overload
    def __getitem__(self, place: int) -> bytes: ...
    @overload
    def __getitem__(self, place: slice) -> list[bytes]: ...
    def __getitem__(self, place: int | slice) -> bytes | list[bytes]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        return bytes(self.digests.array[DIGEST_BYTES * place : DIGEST_BYTES * (place + 1)])

    def place(self, key: object) -> int | None:
        """Return where the key's digest is; None if it is not one of them."""
        digest = _digest(str(key))
        place = bisect_left(self, digest)
        return place if place < len(self) and self[place] == digest else None


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=DIGEST_BYTES).digest()


@dataclass
class KeptSamples:
    """Whether a sample, a mapping, is retained, and its weight. Raises ManifestMismatch for one without a key.

    It also does if there have been as many samples as the dataset has, and not a single one was retained.
    """

    digests: KeptDigests
    weights: MappedArray | None
    rows: int
    """Of the dataset."""
    key: str | None
    """The field that holds a sample's key; None for the first usual one."""
    seen: int = 0
    """Since the last one that was retained."""

    @classmethod
    def of(cls, request: SubsetRequest, *, key: str | None) -> KeptSamples:
        """Return what the request asks for. Raises ManifestMismatch if the manifest has no keys, WeightsUnknown."""
        digests = np.frombuffer(b"".join(map(_digest, _keys(request.manifest))), f"S{DIGEST_BYTES}")
        order = np.argsort(digests, kind="stable")  # as bytes are ordered
        in_order = digests[order].view(np.uint8)
        weights = MappedArray.of([request.manifest.weights[order]]) if request.weights else None
        rows = request.manifest.metadata.dataset.rows
        return cls(KeptDigests(MappedArray.of([in_order])), weights, rows, key)

    def __call__(self, sample: Any) -> bool:
        is_kept = self._place(sample) is not None
        self.seen = 0 if is_kept else self.seen + 1
        if self.seen >= self.rows:
            raise ManifestMismatch(f"None of {self.seen} samples has a key that the manifest retains")
        return is_kept

    def weight(self, sample: Any) -> float:
        """Return the sample's weight; 0 if it is not retained."""
        place = self._place(sample)
        return 0.0 if place is None or self.weights is None else float(self.weights.array[place])

    def _place(self, sample: Any) -> int | None:
        return self.digests.place(_plain(sample[self._field(sample)]))

    def _field(self, sample: Any) -> str:
        fields = sample if isinstance(sample, Mapping) else ()
        named = KEY_NAMES if self.key is None else (self.key,)
        field = next((name for name in named if name in fields), None)
        if field is None:
            raise ManifestMismatch(f"The stream's samples have no {' or '.join(map(repr, named))} to know them by")
        return field


def _plain(key: Any) -> Any:
    return key.decode() if isinstance(key, bytes) else key.item() if hasattr(key, "item") else key


def has_keys(manifest: Manifest) -> bool:
    """Return whether the manifest knows its rows' keys."""
    return any(batch[0].null_count < len(batch) for batch in manifest.batches("sample_key"))


def _keys(manifest: Manifest) -> Iterator[str]:
    if not has_keys(manifest):
        raise ManifestMismatch("The manifest holds no keys, by which alone a stream's samples can be known")
    for batch in manifest.batches("sample_key"):
        yield from batch["sample_key"].to_pylist()
