"""Many small files of results ↔ one file of each kind, without the masks of retained rows."""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from benchmarks import fidelity, label_quality, noise
from benchmarks.accuracy import cells
from benchmarks.accuracy.experiments import jaccard
from benchmarks.cost import turns as cost
from benchmarks.dynamic import cells as dynamic
from benchmarks.harness import storage
from benchmarks.harness.result_set import ResultSet
from benchmarks.held_back import cells as held_back
from benchmarks.instructions import tables as instructions
from benchmarks.weighting import cells as weighting

FILE, MASK, AGREEMENT = "file", "retained", "jaccard"
"""Columns: the path of the file that a row was in, below the folder of its kind; what is left out; what stays of it."""
PACKED = "packed.parquet"
MODULES = (cells, cost, dynamic, fidelity, held_back, instructions, label_quality, noise, weighting)
KINDS = [module.RESULTS for module in MODULES]
SEED = "seed"
SAME_BUT_SEED = ("dataset", "rows_train", "epochs", "precision", "noise", "budget", "kept", "method")
Row = dict[str, Any]


def pack(folders: Sequence[Path], archive: Path) -> dict[str, int]:
    """Add the finished results of these folders to the archive, and return how many rows it now has of each kind.

    Of a file that is in several folders, or in the archive already, the last one counts.
    """
    rows_of = {kind.folder: _packed(kind, [archive, *folders], archive) for kind in KINDS}
    _note_commands([archive, *folders], archive)
    return {name: count for name, count in rows_of.items() if count}


def unpack(archive: Path, folder: Path) -> int:
    """Write every file of the archive that the folder lacks, so that its tasks count as finished; return how many."""
    _note_commands([folder, archive], folder)
    return sum(_unpacked(kind, archive, folder) for kind in KINDS)


def _packed(kind: ResultSet, folders: Sequence[Path], archive: Path) -> int:
    by_file: dict[str, list[Row]] = {}
    for folder in folders:
        for file, rows in _files(kind, folder):
            by_file[file] = rows
    rows = [row | {FILE: file} for file in sorted(by_file) for row in by_file[file]]
    if rows:
        path, schema = kind.path(archive, PACKED), _schema(kind)
        with storage.durably(path) as unfinished:
            table = pa.Table.from_pylist(_without_masks(rows), schema=schema)
            pyarrow.parquet.write_table(table, unfinished, compression="zstd")
    return len(rows)


def _files(kind: ResultSet, folder: Path) -> Iterator[tuple[str, list[Row]]]:
    """Each file's path below the kind's folder, and its rows; packed ones come as they were before."""
    root = kind.path(folder, "")
    for path in sorted(root.rglob(storage.PARQUET)):
        if path.name.startswith("."):
            continue
        rows = pyarrow.parquet.read_table(path).to_pylist()
        if path == root / PACKED:
            for file, own in groupby(rows, key=itemgetter(FILE)):
                yield file, list(own)
        else:
            yield path.relative_to(root).as_posix(), rows


def _schema(kind: ResultSet) -> pa.Schema:
    fields = [field for field in kind.schema if field.name != MASK]
    return pa.schema([pa.field(FILE, pa.string()), *fields])


def _without_masks(rows: list[Row]) -> list[Row]:
    """Replace each mask by its agreement with that of the seed before; what was known without masks stays."""
    masked = [row for row in rows if row.get(MASK) is not None]
    masked.sort(key=lambda row: (*(str(row.get(name)) for name in SAME_BUT_SEED), row[SEED]))
    for before, row in pairwise(masked):
        if all(before.get(name) == row.get(name) for name in SAME_BUT_SEED):
            row[AGREEMENT] = jaccard(before, row)
    return rows


def _unpacked(kind: ResultSet, archive: Path, folder: Path) -> int:
    missing = [(path, rows) for file, rows in _files(kind, archive) if not (path := kind.path(folder, file)).exists()]
    for path, rows in missing:
        kind.write(path, [{name: row.get(name) for name in kind.schema.names} for row in rows])
    return len(missing)


def _note_commands(sources: Sequence[Path], folder: Path) -> None:
    lines = storage.commands_in(sources)
    if lines:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / storage.COMMANDS).write_text("".join(f"{line}\n" for line in lines))
