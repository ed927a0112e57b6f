"""The folder that Hugging Face datasets' ``save_to_disk`` writes: Arrow files, and a list of them in row order."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from ted_core.datasets.formats.arrow import READER
from ted_core.datasets.formats.row_format import format_of
from ted_core.datasets.sources.base import Source, unreadable_error
from ted_core.datasets.sources.passed_over import PassedOver
from ted_core.datasets.sources.shards import MOST_SUBFOLDERS, subfolders
from ted_core.datasets.sources.splits import chosen_split, unknown_split
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable, SettingUnsuited, SplitsMixed

STATE, SPLITS = "state.json", "dataset_dict.json"
SPLIT_FIELD = "dataset.split"
LARGEST_FILE = 16 << 20
"""Bytes of either."""


class DataFile(BaseModel):
    """A file of rows."""

    filename: str


class StateFile(BaseModel):
    """What ``state.json`` says of the rows."""

    data_files: list[DataFile] = Field(alias="_data_files", min_length=1)
    indices_files: list[Any] | None = Field(None, alias="_indices_files")
    """A selection of the rows, which earlier releases stored separately."""
    split: str | None = Field(None, alias="_split")


class SplitsFile(BaseModel):
    """What ``dataset_dict.json`` says of the datasets in a folder."""

    splits: list[str]


Content = TypeVar("Content", StateFile, SplitsFile)


def files(named: Source, spec: DatasetSpec) -> Sequence[Source]:
    """Return the files that ``state.json`` lists, in the folder or in that of the split.

    Raises SplitsMixed for a folder of several datasets, UnknownSplit, SettingUnsuited, DatasetUnreadable.
    """
    splits = _splits_in(named)
    if not splits:
        return _in_folder(named, split=spec.split)
    if not spec.split:
        names = ", ".join(splits)
        raise SplitsMixed(f"{named} is a DatasetDict of {names}; set dataset.split to one of them", field="dataset.uri")
    if not (chosen := chosen_split(splits, spec.split)):
        raise unknown_split(spec.split, splits, where=named)
    return _in_folder(_not_a_link(named.child(chosen)), split=None)


def _splits_in(folder: Source) -> Sequence[str]:
    """The folders of the splits that the listing names, if there is one, or else that hold a dataset each."""
    if (listing := folder.child(SPLITS)).is_file:
        names = _read(listing, SplitsFile).splits
        _refuse_elsewhere(folder, SPLITS, names)
        return names
    if not folder.is_folder or folder.child(STATE).is_file:
        return []
    return [inner.name for inner in subfolders(folder)[:MOST_SUBFOLDERS] if inner.child(STATE).is_file]


def _not_a_link(folder: Source) -> Source:
    if folder.is_link:
        raise DatasetUnreadable(f"{folder} is a link; name the folder that it leads to", field="dataset.uri")
    return folder


def _in_folder(folder: Source, *, split: str | None) -> list[Source]:
    if not (listing := folder.child(STATE)).is_file:
        raise DatasetUnreadable(f"{folder} holds no {STATE}, as save_to_disk writes it", field="dataset.format")
    state = _read(listing, StateFile)
    if split and not chosen_split([state.split], split):
        raise SettingUnsuited(f"{folder} is a single dataset, not one of splits", field=SPLIT_FIELD)
    if state.indices_files:
        fact = f"{folder} holds a selection of its rows; save it after flatten_indices()"
        raise DatasetUnreadable(fact, field="dataset.uri")
    files = _listed(folder, [file.filename for file in state.data_files])
    _report_others(folder, {file.name for file in files})
    return files


def _report_others(folder: Source, listed: Collection[str]) -> None:
    """Note what else lies there, such as what ``map`` remembers in cache-….arrow."""
    others = PassedOver(str(folder), f"not listed in {STATE}", may_be_data=lambda _: False)
    for child in folder.children():
        if child.name not in listed:
            others.add(child.name)
    others.report()


def _read(source: Source, content: type[Content]) -> Content:
    if source.is_link or source.size > LARGEST_FILE:
        raise DatasetUnreadable(f"{source} is a link, or larger than such a file ever is", field="dataset.uri")
    try:
        with source.open() as file:
            return content.model_validate_json(bytes(file.read()))
    except OSError as error:
        raise unreadable_error(f"{source} cannot be read", error) from error
    except ValidationError as error:  # without the content of the file
        reason = f"{error.errors()[0]['loc']}: {error.errors()[0]['msg']}"
        raise DatasetUnreadable(f"{source} does not hold what it should ({reason})", field="dataset.uri") from error


def _listed(folder: Source, names: Sequence[str]) -> list[Source]:
    """The files of these names, all of which are in the folder itself."""
    _refuse_elsewhere(folder, STATE, names)
    return [folder.child(name) for name in names]


def _refuse_elsewhere(folder: Source, listing: str, names: Sequence[str]) -> None:
    elsewhere = next((name for name in names if "/" in name or name in ("", ".", "..")), None)
    if elsewhere is not None:
        raise DatasetUnreadable(f"{folder}/{listing} lists {elsewhere!r}, which lies elsewhere", field="dataset.uri")


HF = format_of(replace(READER, files=files))
