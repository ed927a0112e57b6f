"""Data in memory, as everything behind it takes datasets: samples, an identity, and rows to show."""

from dataclasses import dataclass

from ted_core.datasets import DatasetIdentity, DatasetSpec, Samples, Shard
from ted_core.datasets.spec import IN_MEMORY
from ted_core.errors import TedError
from ted_core.results.report_samples import ReadRows

URI = f"{IN_MEMORY}:"
"""Where a manifest says that such data lie: nowhere that anybody could look."""


class ArgumentUnclear(TedError):
    """What was passed could be meant in more than one way; say which."""


class ArgumentUnusable(TedError):
    """Pass numbers with rows first, images of uint8 or with their pixel_range, a data frame, an Arrow table or a
    Hugging Face dataset; y has one class for each row, or is the name of a column."""


@dataclass(frozen=True)
class InMemoryData:
    """Samples, and what else is to be known of where they come from."""

    samples: Samples
    spec: DatasetSpec
    size: int
    """Bytes."""
    sha256: str
    """Of the content."""
    read: ReadRows

    @property
    def identity(self) -> DatasetIdentity:
        """Return the identity of data that are a single file nowhere."""
        rows = self.samples.rows
        shard = Shard(IN_MEMORY, rows=rows, bytes=self.size, sha256=self.sha256)
        return DatasetIdentity(URI, IN_MEMORY, self.spec.task, (shard,), rows=rows)
