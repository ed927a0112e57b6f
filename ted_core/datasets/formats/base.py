"""What every file format offers; the reader picks one by its name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ted_core.datasets.limits import Limits
from ted_core.datasets.samples import Samples
from ted_core.datasets.sources.base import Source
from ted_core.datasets.sources.shards import FindFiles
from ted_core.datasets.spec import DatasetSpec


@dataclass(frozen=True)
class SchemaSummary:
    """What can be known of a dataset without reading its rows."""

    columns: tuple[str, ...]
    rows: tuple[int, ...]
    """Rows per file."""
    several_classes: bool = False
    """Whether the target gives a row any number of classes."""


@dataclass(frozen=True)
class Format:
    """One way of storing a dataset."""

    files: FindFiles
    schema_summary: Callable[[Sequence[Source], DatasetSpec], SchemaSummary]
    """Checks what headers and footers tell; raises TedErrors that name the request's field."""
    load: Callable[[Sequence[Source], DatasetSpec, Limits], Samples]
