"""The folder that Hugging Face datasets' ``save_to_disk`` writes: Arrow files, and a list of them in row order."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from ted_core.datasets.formats.arrow import READER
from ted_core.datasets.formats.row_format import format_of
from ted_core.datasets.sources.base import Source, unreadable_error
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable

STATE, SPLITS = "state.json", "dataset_dict.json"
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


class SplitsFile(BaseModel):
    """What ``dataset_dict.json`` says of the datasets in a folder."""

    splits: list[str]


Content = TypeVar("Content", StateFile, SplitsFile)


def files(folder: Source, _: DatasetSpec) -> Sequence[Source]:
    """Return the files that ``state.json`` lists. Raises DatasetUnreadable for a folder of several datasets."""
    if (splits := folder.child(SPLITS)).is_file:
        names = " and ".join(f"{folder.name}/{name}" for name in _read(splits, SplitsFile).splits)
        raise DatasetUnreadable(f"{folder} is a DatasetDict; name one of {names}", field="dataset.uri")
    if not (listing := folder.child(STATE)).is_file:
        raise DatasetUnreadable(f"{folder} holds no {STATE}, as save_to_disk writes it", field="dataset.format")
    state = _read(listing, StateFile)
    if state.indices_files:
        fact = f"{folder} holds a selection of its rows; save it after flatten_indices()"
        raise DatasetUnreadable(fact, field="dataset.uri")
    return _listed(folder, [file.filename for file in state.data_files])


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
    elsewhere = next((name for name in names if "/" in name or name in ("", ".", "..")), None)
    if elsewhere is not None:
        raise DatasetUnreadable(f"{folder}/{STATE} lists {elsewhere!r}, which lies elsewhere", field="dataset.uri")
    return [folder.child(name) for name in names]


HF = format_of(replace(READER, files=files))
