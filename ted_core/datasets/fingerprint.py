"""Which dataset it is: the digest of its files' bytes, in row order."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from ted_core.datasets.findings import collect_findings
from ted_core.datasets.loading import open_dataset
from ted_core.datasets.sources.base import Source, map_concurrently
from ted_core.datasets.sources.read_errors import translate_read_errors
from ted_core.datasets.spec import DatasetSpec
from ted_core.storage.file_store import StorageRoot

BLOCK = 1 << 18
"""Bytes that are hashed at a time."""


@dataclass(frozen=True)
class Shard:
    """One file of a dataset, or a folder that counts as one file."""

    name: str
    rows: int
    bytes: int
    sha256: str
    """The digest of the file's bytes. For a folder, the digest of a listing: for each file that matters, in row order,
    a line with the JSON list of its path inside the folder and its own SHA-256. So the names of classes count, and the
    folder's own name does not."""


@dataclass(frozen=True)
class DatasetIdentity:
    """A dataset's files as they were when they were read."""

    uri: str
    format: str
    task: str
    shards: tuple[Shard, ...]
    rows: int

    @property
    def fingerprint(self) -> str:
        """``sha256:`` and the SHA-256 of the JSON list of every shard's [rows, sha256], in row order.

        Names are left out: a dataset that was moved or renamed is still the same.
        """
        rows_and_digests = [[shard.rows, shard.sha256] for shard in self.shards]
        return "sha256:" + hashlib.sha256(json.dumps(rows_and_digests).encode()).hexdigest()


def identify(spec: DatasetSpec, *, roots: Sequence[StorageRoot]) -> DatasetIdentity:
    """Read all bytes of the dataset, in constant memory, and return its identity; several files are read at a time.

    Raises what ``inspect`` raises.
    """
    with collect_findings():  # which ``inspect`` and ``load`` tell
        dataset = open_dataset(spec, roots=roots)
        rows = dataset.rows_per_file()
    return DatasetIdentity(spec.uri, dataset.format_name, spec.task, shards_of(dataset.files, rows), rows=sum(rows))


def shards_of(files: Sequence[Source], rows: Sequence[int]) -> tuple[Shard, ...]:
    """Read all bytes of some files, which have so many rows, and return what identifies them."""
    return tuple(
        Shard(file.name, rows=count, bytes=sum(member.size for member in file.members), sha256=digest)
        for file, count, digest in zip(files, rows, map_concurrently(_digest, files), strict=True)
    )


def _digest(source: Source) -> str:
    return _digest_of_file(source) if source.inside is None else _digest_of_listing(source.inside)


def _digest_of_listing(files: Sequence[Source]) -> str:
    listing = hashlib.sha256()
    for file, digest in zip(files, map_concurrently(_digest_of_file, files), strict=True):
        listing.update(json.dumps([file.name, digest]).encode() + b"\n")
    return listing.hexdigest()


def _digest_of_file(source: Source) -> str:
    digest = hashlib.sha256()
    with translate_read_errors(source, otherwise="cannot be read"), source.open_in_order() as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
