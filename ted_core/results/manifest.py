"""The manifest: which rows were retained, and the decisions behind it. Two Parquet files; no torch needed.

``manifest.parquet`` holds the retained rows and is all that a trainer needs; ``decisions.parquet`` holds every row of
the dataset and says why. Both are sorted by ``row_index`` and carry the same metadata under the key ``ted``.
This module defines the files and reads them; ``manifest_writer`` writes them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from ted_core.datasets.spec import IN_MEMORY, DatasetSpec
from ted_core.errors import ManifestMismatch, WeightsUnknown
from ted_core.results.provenance import ManifestMetadata
from ted_core.storage.digests import ContentDigest
from ted_core.storage.file_store import StorageRoot
from ted_core.storage.object_store import is_object_uri
from ted_core.storage.roots import parse_root, root_containing

METADATA_KEY = b"ted"

CATEGORY = pa.dictionary(pa.int32(), pa.string())

MANIFEST_SCHEMA = pa.schema(
    [
        pa.field("row_index", pa.uint64(), nullable=False),
        pa.field("shard", pa.uint32(), nullable=False),
        pa.field("row_in_shard", pa.uint64(), nullable=False),
        pa.field("sample_key", pa.string()),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("inclusion_probability", pa.float32()),
        pa.field("weight", pa.float32(), nullable=False),
        pa.field("label", CATEGORY),
    ]
)

DECISIONS_SCHEMA = pa.schema(
    [
        pa.field("row_index", pa.uint64(), nullable=False),
        pa.field("sample_key", pa.string()),
        pa.field("kept", pa.bool_(), nullable=False),
        pa.field("internal_generalization", pa.float32(), nullable=False),
        pa.field("margin", pa.float32()),
        pa.field("inclusion_probability", pa.float32()),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("rank", pa.uint64(), nullable=False),
        pa.field("last_round", pa.uint16(), nullable=False),
        pa.field("reason", CATEGORY, nullable=False),
        pa.field("base_performance", pa.float32()),
        pa.field("label", CATEGORY),
    ]
)


INDICES = pa.schema([MANIFEST_SCHEMA.field("row_index")])
ROWS_AT_A_TIME = 1 << 18

SINCE_VERSION_2 = ("margin", "inclusion_probability")
"""Columns that files of schema version 1 do not have."""


@dataclass(frozen=True)
class Manifest:
    """A manifest file that has been checked against its own digests."""

    path: Path
    metadata: ManifestMetadata

    @cached_property
    def row_indices(self) -> np.ndarray:
        """The retained rows of the dataset: int64, which torch and NumPy index with, ascending, counted from 0.

        The file's own column is uint64.
        """
        indices, end = np.empty(self.metadata.rows_kept, np.int64), 0
        for batch in self.batches("row_index"):
            start, end = end, end + len(batch)
            indices[start:end] = batch["row_index"].to_numpy()
        return indices

    @cached_property
    def weights(self) -> np.ndarray:
        """The weight of each row of ``row_indices``, in the same order: float32, of mean 1.

        Under them the mean loss of the retained rows estimates that of all rows. Raises WeightsUnknown if the file's
        column ``weight`` is 1 only because nothing is known.
        """
        if not self._has_probabilities:
            raise WeightsUnknown(f"{self.path} does not say how likely its rows were to be kept")
        weights: np.ndarray = pq.read_table(self.path, columns=["weight"])["weight"].to_numpy()
        return weights

    @property
    def _has_probabilities(self) -> bool:
        """False in schema version 1, and for methods that do not draw their rows."""
        if self.metadata.schema_version == 1:
            return False
        (probability,) = pq.read_table(self.path, columns=["inclusion_probability"]).columns
        return bool(probability.null_count == 0)

    def batches(self, *columns: str) -> Iterator[pa.RecordBatch]:
        """Some of the columns, some rows at a time."""
        with pq.ParquetFile(self.path) as file:
            yield from file.iter_batches(ROWS_AT_A_TIME, columns=list(columns))

    def table(self) -> pa.Table:
        """Every column of the manifest."""
        return pq.read_table(self.path)


def read_manifest(path: str | Path) -> Manifest:
    """Read the manifest at ``path``. Raises ManifestMismatch if it is not one, or has been truncated or altered."""
    try:
        manifest = Manifest(Path(path), read_metadata(Path(path), MANIFEST_SCHEMA))
        _check_indices(manifest)
    except (OSError, pa.ArrowException) as error:
        raise ManifestMismatch(f"{path} is not a readable Parquet file ({error})") from error
    return manifest


def read_metadata(path: Path, schema: pa.Schema) -> ManifestMetadata:
    """Read the metadata of a file with this schema, or that of an earlier version. Raises ManifestMismatch."""
    actual = pq.read_schema(path)
    facts = (actual.metadata or {}).get(METADATA_KEY)
    if facts is None:
        raise ManifestMismatch(f"{path} carries no TED metadata")
    try:
        metadata = ManifestMetadata.model_validate_json(facts)
    except ValidationError as error:
        raise ManifestMismatch(f"{path} has unusable metadata ({error.errors()[0]['loc']})") from error
    if not actual.remove_metadata().equals(schema_of_version(schema, metadata.schema_version)):
        raise ManifestMismatch(f"{path} has other columns than this version of TED writes")
    return metadata


def schema_of_version(schema: pa.Schema, version: int) -> pa.Schema:
    """What this schema was in an earlier version."""
    return pa.schema([field for field in schema if version > 1 or field.name not in SINCE_VERSION_2])


def _check_indices(manifest: Manifest) -> None:
    facts, digest, rows, last = manifest.metadata, ContentDigest(INDICES), 0, -1
    for batch in manifest.batches("row_index"):
        digest.update(batch)
        rows, last = rows + len(batch), batch["row_index"][-1].as_py()
    if digest.of_numbers("row_index") != facts.indices_sha256 or rows != facts.rows_kept:
        raise ManifestMismatch(f"{manifest.path} does not hold the rows that its metadata announces")
    if last >= facts.dataset.rows:
        raise ManifestMismatch(f"row {last} lies outside the dataset's {facts.dataset.rows} rows")


def verify(manifest: Manifest | str | Path, dataset: str | Path) -> Manifest:
    """Return the manifest if the dataset at this path or URI is the one it was made from.

    >>> manifest = verify("manifest.parquet", "data.parquet")
    >>> manifest.row_indices.tolist(), manifest.metadata.achieved_ratio
    ([1, 2, 3, 7], 0.5)
    >>> verify("manifest.parquet", "other.parquet")
    Traceback (most recent call last):
    ...
    ted_core.errors.ManifestMismatch: ...

    Raises ManifestMismatch if fingerprint or row count differ, or if the manifest has other columns or altered indices.
    """
    manifest = manifest if isinstance(manifest, Manifest) else read_manifest(manifest)
    expected, spec = manifest.metadata.dataset, spec_at(dataset, manifest)
    from ted_core.datasets.fingerprint import identify  # noqa: PLC0415 - it loads what reads every format

    actual = identify(spec, roots=anywhere(spec))
    if (actual.rows, actual.fingerprint) != (expected.rows, expected.fingerprint):
        raise ManifestMismatch(f"{dataset} has {actual.rows} rows and {actual.fingerprint}, not {expected.fingerprint}")
    return manifest


def spec_at(dataset: str | Path, manifest: Manifest, **changes: Any) -> DatasetSpec:
    """The manifest's dataset, or one that is read in the same way, at this path or URI.

    Raises ManifestMismatch for a manifest of data that were in memory.
    """
    if manifest.metadata.dataset.format == IN_MEMORY:
        raise ManifestMismatch(f"{manifest.path} was made from data in memory, not from {dataset}")
    is_uri = is_object_uri(str(dataset)) or str(dataset).startswith("file://")
    uri = str(dataset) if is_uri else str(Path(dataset).resolve())
    facts = manifest.metadata.dataset.model_dump(include=set(DatasetSpec.model_fields) - {"uri"})
    return DatasetSpec.model_validate({**facts, "uri": uri, **changes})


def anywhere(spec: DatasetSpec) -> list[StorageRoot]:
    """The root of wherever the dataset lies, for those who read it for themselves."""
    location = parse_root(spec.uri) if is_object_uri(spec.uri) else Path(spec.uri.removeprefix("file://"))
    return [root_containing(location)]
