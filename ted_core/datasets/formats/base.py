"""What every file format offers; ``ted_core.datasets.loading`` picks one by its name."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from ted_core.datasets.limits import Limits
from ted_core.datasets.row_locations import RowLocations
from ted_core.datasets.samples import Samples
from ted_core.datasets.sources.base import Source
from ted_core.datasets.sources.shards import FindFiles
from ted_core.datasets.spec import DatasetSpec
from ted_core.datasets.understood import SchemaSummary

__all__ = ["Format", "SchemaSummary"]


@dataclass(frozen=True)
class DatasetPart:
    """Some of a dataset's files, read apart from the others."""

    schema: pa.Schema = field(repr=False)
    """Of all the dataset's files."""
    own: RowLocations
    """The rows of these files."""
    whole: RowLocations
    """The rows of all files."""


@dataclass(frozen=True)
class Format:
    """One way of storing a dataset. Formats whose rows have named columns are made by ``format_of`` instead.

    Here each row is two bytes, a value and its class:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from ted_core.datasets.sources.uri import locate
    >>> def files(named, spec):
    ...     return [named]
    >>> def schema_summary(sources, spec):
    ...     return SchemaSummary(("value", "class"), (sources[0].size // 2,))
    >>> def load(sources, spec, limits):
    ...     with sources[0].open() as file:
    ...         pairs = np.frombuffer(file.read(), np.uint8).reshape(-1, 2)
    ...     inputs, labels = pairs[:, :1].astype(np.float32), pairs[:, 1].astype(np.int64)
    ...     return Samples(inputs, labels, ("0", "1"), np.arange(len(pairs), dtype=np.uint64), rows=len(pairs))
    >>> BYTE_PAIRS = Format(files, schema_summary, load)

    An entry point in the group ``ted.datasets`` gives it the name that requests use. Without one:

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "rows.bin").write_bytes(bytes([7, 0, 9, 1, 8, 0]))
    ...     spec = DatasetSpec(uri=f"{folder}/rows.bin", task="tabular-classification")
    ...     found = BYTE_PAIRS.files(locate(spec.uri, roots=[Path(folder)]), spec)
    ...     print(BYTE_PAIRS.schema_summary(found, spec).rows, BYTE_PAIRS.load(found, spec, Limits()).labels)
    (3,) [0 1 0]
    """

    files: FindFiles
    schema_summary: Callable[[Sequence[Source], DatasetSpec], SchemaSummary]
    """Checks headers and footers; raises TedErrors that name the request's field. What may take longer than a second
    asks ``ted_core.datasets.budget`` when to stop; whatever rows it then returns are not used."""
    load: Callable[[Sequence[Source], DatasetSpec, Limits], Samples]
    preview: Callable[[Sequence[Source], DatasetSpec, SchemaSummary], SchemaSummary] = lambda _, __, summary: summary
    """The summary with what a look at some rows shows, as far as ``ted_core.datasets.budget`` goes: classes and the
    first row. Raises what loading all rows would. Inspections call it, loading does not."""
    read_rows: (
        Callable[[Sequence[Source], DatasetSpec, Sequence[str], Sequence[int]], Iterator[pa.RecordBatch]] | None
    ) = field(default=None, kw_only=True)
    """Yields each of the rows with these numbers, which ascend, as a batch of its own: the named columns. Reports show
    rows of tables with it; without it they do not."""
    read_batches: Callable[[Sequence[Source], DatasetSpec, Sequence[str]], Iterator[pa.RecordBatch]] | None = field(
        default=None, kw_only=True
    )
    """Yields the named columns of all rows, in order, in the types of the summary's schema; None for arrays."""
    load_part: Callable[[Sequence[Source], DatasetSpec, Limits, DatasetPart], Samples] | None = field(
        default=None, kw_only=True
    )
    """The samples of the whole dataset with the inputs of these files alone: see ``ted_core.datasets.owners``; None if
    files cannot be understood apart from each other."""
