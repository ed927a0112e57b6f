"""The file that lists the rows whose labels look wrong, ``suspects.parquet``.

A label looks wrong if the row's mean out-of-sample margin is negative: models that have never seen the row give another
class more probability. The most suspicious rows come first. The file carries the metadata of manifest and decisions.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float32, Int32, Int64

from ted_core.results.decisions import Decisions
from ted_core.results.manifest import CATEGORY
from ted_core.results.manifest_writer import class_names, keys_of_rows, new_file
from ted_core.results.provenance import ManifestMetadata, ProxyAccuracy
from ted_core.results.proxy_accuracy import is_believed

MOST_SUSPECTS = 100_000
"""Rows that the file lists at most: more than anybody looks at, and few enough for any list of them."""
ROWS_PER_GROUP = 5_000
"""Rows of the file that are read together: a page of the list needs one or two groups."""
FILE_NAME = "suspects.parquet"

SUSPECTS_SCHEMA = pa.schema(
    [
        pa.field("row_index", pa.uint64(), nullable=False),
        pa.field("sample_key", pa.string()),
        pa.field("label", CATEGORY),
        pa.field("likeliest", CATEGORY),
        pa.field("suspicion", pa.float32(), nullable=False),
        pa.field("margin", pa.float32(), nullable=False),
        pa.field("kept", pa.bool_(), nullable=False),
    ]
)


def suspect_rows(decisions: Decisions, accuracy: ProxyAccuracy | None, *, most: int) -> Int64[np.ndarray, " suspects"]:
    """Return rows with negative margins, the most suspicious first, at most ``most``.

    There are none if nothing was measured, or the proxy has not learned.
    """
    if decisions.margin is None or decisions.suspicion is None or not is_believed(accuracy):
        return np.zeros(0, np.int64)
    return lowest(-decisions.suspicion, decisions.margin < 0, most=most)


def lowest(
    values: Float32[np.ndarray, " rows"], among: Bool[np.ndarray, " rows"], *, most: int
) -> Int64[np.ndarray, " chosen"]:
    """Return the rows with the smallest values, ascending, at most ``most`` of them; ties go to the earlier row."""
    rows = np.flatnonzero(among & np.isfinite(values))
    if len(rows) > most:  # all rows are not worth sorting for a few of them
        limit = np.partition(values[rows], most - 1)[most - 1]
        rows = np.concatenate([rows[values[rows] < limit], rows[values[rows] == limit][:most]])
    return rows[np.argsort(values[rows], kind="stable")][:most]


def taken_for(decisions: Decisions, rows: Int64[np.ndarray, " some"]) -> Int32[np.ndarray, " some"]:
    """Return the class that each row is taken for, as an index; -1 if none was named, or it is the label itself."""
    if decisions.likeliest is None:
        return np.full(len(rows), -1, np.int32)
    likeliest = decisions.likeliest[rows]
    return np.where(likeliest == decisions.label[rows], -1, likeliest).astype(np.int32)


def write_suspects(
    folder: Path, decisions: Decisions, *, accuracy: ProxyAccuracy | None, metadata: ManifestMetadata
) -> Path:
    """Write ``suspects.parquet`` to ``folder`` and return its path; it has no rows if none looks wrong."""
    path, rows = folder / FILE_NAME, suspect_rows(decisions, accuracy, most=MOST_SUSPECTS)
    most_suspicious_first = pq.SortingColumn(SUSPECTS_SCHEMA.get_field_index("suspicion"), descending=True)
    with new_file(path, SUSPECTS_SCHEMA, sorted_by=most_suspicious_first, rows_per_group=ROWS_PER_GROUP) as file:
        file.write([_batch(decisions, rows)] if len(rows) else [])
        file.describe(metadata)
    return path


def _batch(decisions: Decisions, rows: Int64[np.ndarray, " suspects"]) -> pa.RecordBatch:
    assert decisions.margin is not None and decisions.suspicion is not None, "or there are no suspects"  # noqa: S101
    classes = pa.array(decisions.classes, pa.string())
    columns = {
        "row_index": rows.astype(np.uint64),
        "sample_key": keys_of_rows(decisions, rows),
        "label": class_names(decisions.label[rows], classes),
        "likeliest": class_names(taken_for(decisions, rows), classes),
        "suspicion": decisions.suspicion[rows],
        "margin": decisions.margin[rows],
        "kept": decisions.kept[rows],
    }
    return pa.record_batch(columns, schema=SUSPECTS_SCHEMA)


def read_suspects(file: pa.NativeFile | Path, *, after: int, limit: int) -> pa.Table:
    """Return at most ``limit`` rows of the file that follow its first ``after``; only their row groups are read."""
    parquet = pq.ParquetFile(file)
    sizes = [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]
    ends = np.cumsum(sizes, dtype=np.int64)
    first, last = np.searchsorted(ends, [after, after + limit - 1], side="right")
    groups = range(int(first), min(int(last) + 1, len(sizes)))
    begin = int(ends[first] - sizes[first]) if groups else after
    return parquet.read_row_groups(list(groups)).slice(after - begin, limit)
