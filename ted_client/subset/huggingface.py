"""Hugging Face's ``Dataset``, by ``select``, and ``IterableDataset``, by key or by shard and row."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from ted_client.subset.kept_keys import KeptSamples, has_keys
from ted_client.subset.mapped_rows import MappedRows
from ted_client.subset.request import WEIGHT, SubsetRequest, refuse_taken
from ted_client.subset.row_identity import check_length, check_rows
from ted_core.datasets.columns.types import KEY_NAMES
from ted_core.errors import ManifestMismatch

BATCH = 64


def select(dataset: Any, request: SubsetRequest) -> Any:
    """Return the ``Dataset`` of the retained rows. Its indices lie in a file that all processes map.

    Weights become a column before rows are selected, since adding one afterwards copies the whole selection.
    """
    refuse_taken(request, dataset.column_names)
    check_length(dataset, request.manifest)
    if request.verify:
        check_rows(dataset, request.manifest, keys=request.keys)
    if request.weights:
        dataset = dataset.add_column(WEIGHT, _weights_of_all(request))
    return dataset.select(request.manifest.row_indices, indices_cache_file_name=str(_folder() / f"{uuid4()}.arrow"))


def _weights_of_all(request: SubsetRequest) -> np.ndarray:
    """The weight of every row of the dataset; 0 of those that are not retained."""
    weights = np.zeros(request.manifest.metadata.dataset.rows, np.float32)
    weights[request.manifest.row_indices] = request.manifest.weights
    return weights


@cache
def _folder() -> Path:
    """Where this process's indices lie until it ends."""
    folder = Path(tempfile.mkdtemp(prefix="ted-rows-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


# --- streams ----------------------------------------------------------------------------------------------------------


def stream(dataset: Any, request: SubsetRequest) -> Any:
    """Return the stream of the retained rows: of those with the manifest's keys if both have some, in any order.

    Otherwise rows are counted in each shard, so that these must be the manifest's files, or a single one, and not have
    been shuffled. A shard of another length raises ManifestMismatch when it ends.
    """
    refuse_taken(request, dataset.column_names or ())
    key = _key(dataset, request)
    if key is None:
        return _by_row(dataset, request)
    kept = KeptSamples.of(request, key=key)
    return dataset.map(partial(_with_weight, kept)).filter(kept) if request.weights else dataset.filter(kept)


def _key(dataset: Any, request: SubsetRequest) -> str | None:
    """The column of keys that is named, or the first usual one, if the manifest has keys."""
    if request.keys is not None and not isinstance(request.keys, str):
        raise TypeError("A stream takes the name of the column of its keys, not the keys themselves")
    if not has_keys(request.manifest):
        if request.keys is not None:
            raise ManifestMismatch("The manifest holds no keys that these could be compared with")
        return None
    return request.keys or next((name for name in KEY_NAMES if name in (dataset.column_names or ())), None)


def _with_weight(kept: KeptSamples, sample: dict[str, Any]) -> dict[str, Any]:
    return {**sample, WEIGHT: kept.weight(sample)}


def _by_row(dataset: Any, request: SubsetRequest) -> Any:
    from datasets import Features, IterableDataset, Value  # noqa: PLC0415 - only those who use it have it

    shards = _shards(dataset, request)
    plain, features = dataset.with_format(None), dataset.features
    if features is not None:
        plain = plain.decode(False)
    if features is not None and request.weights:
        features = Features({**features, WEIGHT: Value("float32")})
    rows = RetainedRowsOfShards(plain, shards, MappedRows.of(request.manifest), _weights(request))
    chosen = IterableDataset.from_generator(rows, features=features, gen_kwargs={"shards": list(range(len(shards)))})
    return chosen.with_format(getattr(getattr(dataset, "_formatting", None), "format_type", None))


def _weights(request: SubsetRequest) -> np.ndarray | None:
    return request.manifest.weights if request.weights else None


def _shards(dataset: Any, request: SubsetRequest) -> list[range]:
    """The dataset's rows in each shard of the stream. Raises ManifestMismatch if the shards are other ones."""
    facts = request.manifest.metadata.dataset
    if dataset.num_shards == 1:
        return [range(facts.rows)]
    if dataset.num_shards != len(facts.shards):
        fact = f"The stream has {dataset.num_shards} shards, and the manifest counts rows in {len(facts.shards)} files"
        raise ManifestMismatch(f"{fact}; name a column of keys")
    ends = accumulate((shard.rows for shard in facts.shards), initial=0)
    return [range(start, end) for start, end in pairwise(ends)]


@dataclass(frozen=True)
class RetainedRowsOfShards:
    """The generator of a stream: some shards' numbers → their retained rows. Workers divide the shards."""

    dataset: Any
    shards: Sequence[range]
    """Of the dataset's rows, by the number of the shard."""
    rows: MappedRows
    weights: np.ndarray | None

    def __call__(self, shards: Sequence[int]) -> Iterator[Mapping[str, Any]]:
        """Yield the rows. Raises ManifestMismatch at the end of a shard that has other rows than the manifest says."""
        for shard in shards:
            yield from self._of_shard(shard)

    def _of_shard(self, shard: int) -> Iterator[Mapping[str, Any]]:
        expected, row = self.shards[shard], self.shards[shard].start - 1
        place = int(np.searchsorted(self.rows.array, expected.start))
        for row, sample in enumerate(self._samples(shard), expected.start):
            if place < len(self.rows) and self.rows[place] == row:
                yield sample if self.weights is None else {**sample, WEIGHT: self.weights[place]}
                place += 1
        if row + 1 != expected.stop:
            fact = f"Shard {shard} of the stream has {row + 1 - expected.start} rows, not {len(expected)}"
            raise ManifestMismatch(fact)

    def _samples(self, shard: int) -> Iterator[Mapping[str, Any]]:
        """All of the shard's, which ``iter`` does not divide among a loader's workers once more."""
        samples = self.dataset.shard(len(self.shards), shard) if len(self.shards) > 1 else self.dataset
        for batch in samples.iter(BATCH):
            yield from (dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True))
