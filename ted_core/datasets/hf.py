"""The folder that Hugging Face datasets' ``save_to_disk`` writes: Arrow files, and a list of them in row order."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from ted_core.datasets.arrow import READER
from ted_core.datasets.rows import format_of
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable

STATE, SPLITS = "state.json", "dataset_dict.json"
LARGEST = 16 << 20
"""Bytes of such a file."""


class DataFile(BaseModel):
    """A file of rows."""

    filename: str


class State(BaseModel):
    """What ``state.json`` says of the rows."""

    data_files: list[DataFile] = Field(alias="_data_files", min_length=1)
    indices_files: list[Any] | None = Field(None, alias="_indices_files")
    """A selection of the rows, which earlier releases kept beside them."""


class Splits(BaseModel):
    """What ``dataset_dict.json`` says of the datasets in a folder."""

    splits: list[str]


Content = TypeVar("Content", State, Splits)


def files(path: Path, _: DatasetSpec) -> Sequence[Path]:
    """The files that ``state.json`` lists. Raises DatasetUnreadable for a folder of several datasets."""
    if (path / SPLITS).is_file():
        names = " and ".join(f"{path.name}/{name}" for name in _read(path / SPLITS, Splits).splits)
        raise DatasetUnreadable(f"{path} is a DatasetDict; name one of {names}", field="dataset.uri")
    if not (path / STATE).is_file():
        raise DatasetUnreadable(f"{path} holds no {STATE}, as save_to_disk writes it", field="dataset.format")
    state = _read(path / STATE, State)
    if state.indices_files:
        raise DatasetUnreadable(f"{path} keeps a selection apart; save it after flatten_indices()", field="dataset.uri")
    return [_inside(path, file.filename) for file in state.data_files]


def _read(path: Path, content: type[Content]) -> Content:
    if path.is_symlink() or path.stat().st_size > LARGEST:
        raise DatasetUnreadable(f"{path} is a link, or longer than it ever is", field="dataset.uri")
    try:
        return content.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DatasetUnreadable(f"{path} cannot be read ({error})", field="dataset.uri") from error
    except ValidationError as error:  # without what stands in the file
        reason = f"{error.errors()[0]['loc']}: {error.errors()[0]['msg']}"
        raise DatasetUnreadable(f"{path} does not say what it should ({reason})", field="dataset.uri") from error


def _inside(folder: Path, name: str) -> Path:
    if name != Path(name).name:
        raise DatasetUnreadable(f"{folder / STATE} lists {name!r}, which lies elsewhere", field="dataset.uri")
    return folder / name


HF = format_of(replace(READER, files=files))
