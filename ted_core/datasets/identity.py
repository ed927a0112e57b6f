"""Which dataset it is: the digest of its files' bytes, in row order."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ted_core.datasets.formats import Member
from ted_core.datasets.reading import opened
from ted_core.datasets.spec import DatasetSpec


@dataclass(frozen=True)
class Shard:
    """One file of a dataset, or a folder that is taken as one file."""

    name: str
    rows: int
    bytes: int
    sha256: str
    """Of the file's bytes; of a folder's listing: for each file that matters a line with the JSON list of its path
    inside the folder and its own SHA-256, in row order. So the names of classes count, the folder's name does not."""


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
        facts = [[shard.rows, shard.sha256] for shard in self.shards]
        return "sha256:" + hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def identify(spec: DatasetSpec, *, roots: Sequence[Path]) -> DatasetIdentity:
    """The identity of the dataset, from all its bytes, in constant memory. Raises what ``inspect`` raises."""
    dataset = opened(spec, roots=roots)
    rows = dataset.rows_per_file()
    members = dataset.format.members
    shards = tuple(_shard(path, members(path), rows=count) for path, count in zip(dataset.files, rows, strict=True))
    return DatasetIdentity(spec.uri, spec.format, spec.task, shards, rows=sum(rows))


def _shard(path: Path, members: Iterable[Member], *, rows: int) -> Shard:
    if not path.is_dir():
        return Shard(path.name, rows=rows, bytes=path.stat().st_size, sha256=_digest(path))
    listing, size = hashlib.sha256(), 0
    for name, file in members:
        listing.update(json.dumps([name, _digest(file)]).encode() + b"\n")
        size += file.stat().st_size
    return Shard(path.name, rows=rows, bytes=size, sha256=listing.hexdigest())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
