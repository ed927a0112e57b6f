"""A dataset that several owners read: the first one looks at what all files are, and each reads its own."""

from dataclasses import dataclass, field, replace

import pyarrow as pa

from ted_core.datasets.exchange.owner import Owner, exchanged, reading_as
from ted_core.datasets.findings import Findings, collect_findings
from ted_core.datasets.fingerprint import DatasetIdentity, shards_of
from ted_core.datasets.formats.base import DatasetPart
from ted_core.datasets.limits import Limits
from ted_core.datasets.loading import OpenedDataset, described, listed_dataset, open_dataset
from ted_core.datasets.outages import retry_while_away
from ted_core.datasets.owners.division import divided
from ted_core.datasets.row_locations import RowLocations
from ted_core.datasets.samples import Samples
from ted_core.datasets.sources.uri import locate
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetChanged, SettingUnsuited
from ted_core.storage.file_store import StorageRoot


@dataclass(frozen=True)
class ListedFiles:
    """What the first owner tells the others of all files."""

    format: str
    files: tuple[tuple[str, int], ...]
    """Name and size."""
    schema: pa.Schema
    rows: tuple[int, ...]
    """Of each file."""
    noticed: Findings = field(repr=False)


@dataclass(frozen=True)
class OwnedDataset:
    """What one owner knows of a dataset, and which part of it it reads. All owners call the same methods."""

    dataset: OpenedDataset
    listed: ListedFiles
    owner: Owner
    division: tuple[slice, ...]
    """Which files are whose."""

    @classmethod
    def open(cls, spec: DatasetSpec, *, roots: tuple[StorageRoot, ...], owner: Owner) -> "OwnedDataset":
        """Find out which files there are and divide them. Only the first owner opens any: it reads their headers.

        Raises what ``open_dataset`` raises, TooFewShards, SettingUnsuited; DatasetChanged if owners see other files.
        """
        listed, *_ = owner.exchange(_list(spec, roots) if owner.number == 0 else None)
        own_spec = spec.model_copy(update={"format": listed.format})
        with collect_findings():  # which the first owner has told
            dataset = retry_while_away(lambda: listed_dataset(locate(spec.uri, roots=roots), own_spec, roots=roots))
        if _files_of(dataset) != listed.files:
            raise DatasetChanged(spec.uri, field="dataset.uri")
        return cls(dataset, listed, owner, tuple(divided(listed.rows, owner.count)))

    @property
    def files(self) -> slice:
        """Which of the files are this owner's."""
        return self.division[self.owner.number]

    @property
    def identity(self) -> DatasetIdentity:
        """The dataset's identity, for which each owner reads the bytes of its own files."""
        rows = self.listed.rows
        own = retry_while_away(lambda: shards_of(self.dataset.files[self.files], rows[self.files]))
        shards = tuple(shard for part in self.owner.exchange(own) for shard in part)
        spec = self.dataset.spec
        return DatasetIdentity(spec.uri, self.listed.format, spec.task, shards, rows=sum(rows))

    def load(self, limits: Limits) -> Samples:
        """Return the samples of the dataset with the inputs of this owner's files.

        Raises what ``ted_core.datasets.load`` raises.
        """
        load_part = self.dataset.format.load_part
        assert load_part, "the first owner has looked"  # noqa: S101
        own_limits = replace(
            limits, identity=limits.identity and f"{limits.identity} of {self.owner.count} {self.files}"
        )
        with reading_as(self.owner), collect_findings() as noticed:
            files, part = self.dataset.files[self.files], self._part()
            samples = load_part(files, self.dataset.spec, own_limits, part)
            for others in exchanged(noticed):
                noticed.add(others)
        noticed.add(self.listed.noticed)
        return described(samples, self.dataset.spec, noticed)

    def _part(self) -> DatasetPart:
        names, rows = tuple(file.name for file in self.dataset.files), self.listed.rows
        own = RowLocations(names[self.files], rows[self.files], is_part=True)
        return DatasetPart(self.listed.schema, own, RowLocations(names, rows))


def _list(spec: DatasetSpec, roots: tuple[StorageRoot, ...]) -> ListedFiles:
    """What headers and footers tell of all files."""

    def look() -> ListedFiles:
        dataset = open_dataset(spec, roots=roots)
        summary = dataset.schema_summary()
        if summary.schema is None or dataset.format.load_part is None:
            raise SettingUnsuited(f"A sampling of sharded with the format {dataset.format_name}", field="plan.sampling")
        return ListedFiles(dataset.format_name, _files_of(dataset), summary.schema, dataset.rows_per_file(), noticed)

    with collect_findings() as noticed:
        return retry_while_away(look)


def _files_of(dataset: OpenedDataset) -> tuple[tuple[str, int], ...]:
    return tuple((file.name, file.size) for file in dataset.files)
