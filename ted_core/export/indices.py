"""Which rows, and nothing of them: numbers, ids, and DataComp's list of uids."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ted_core.export.errors import ExportUnsuited
from ted_core.export.form import ExportForm
from ted_core.export.retained_rows import ExportedDataset

UID = re.compile("[0-9a-f]{32}")
HALF = 16


def _keys(dataset: ExportedDataset) -> Iterator[str]:
    for batch in dataset.manifest.batches("sample_key"):
        for key in batch["sample_key"].to_pylist():
            if key is None:
                raise ExportUnsuited("The manifest holds no ids of its rows; npy has their numbers")
            yield key


def _check_ids(dataset: ExportedDataset) -> None:
    if any(len(key.splitlines()) != 1 for key in _keys(dataset)):
        raise ExportUnsuited("An id is empty or holds a line break")


def _check_uids(dataset: ExportedDataset) -> None:
    other = next((key for key in _keys(dataset) if not UID.fullmatch(key)), None)
    if other is not None:
        raise ExportUnsuited(f"{other!r} is no uid of DataComp: 32 hexadecimal digits")


def _write_numbers(folder: Path, dataset: ExportedDataset, _: int) -> None:
    np.save(folder / "rows.npy", dataset.manifest.row_indices)


def _write_ids(folder: Path, dataset: ExportedDataset, _: int) -> None:
    with (folder / "ids.txt").open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{key}\n" for key in _keys(dataset))


def _write_uids(folder: Path, dataset: ExportedDataset, _: int) -> None:
    """Pairs of 64 bits, sorted, as https://github.com/mlfoundations/datacomp's resharder reads them."""
    pairs = [(int(key[:HALF], 16), int(key[HALF:], 16)) for key in _keys(dataset)]
    np.save(folder / "subset.npy", np.sort(np.array(pairs, "u8,u8")))


NPY = ExportForm(guide='`numpy.load("rows.npy")`: int64, ascending, counted from 0', finish=_write_numbers)
IDS = ExportForm(guide="`ids.txt`: one id a line, in the dataset's order", check=_check_ids, finish=_write_ids)
DATACOMP = ExportForm(
    guide="`resharder.py -s subset.npy` of DataComp's repository", check=_check_uids, finish=_write_uids
)
