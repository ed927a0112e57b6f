"""NumPy archives: one array of inputs, one of labels. Never a pickle."""

import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib import format as npy

from ted_core.datasets.arrays import check_shapes, check_types, samples
from ted_core.datasets.formats import Format, Limits, Outline
from ted_core.datasets.samples import Samples
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable, UnknownColumn, UnusableInputs, UnusableLabels

DEFAULT_INPUT, DEFAULT_TARGET = "x", "y"
BROKEN = (zipfile.BadZipFile, zlib.error, tokenize.TokenError, RuntimeError, OSError, ValueError, EOFError)
"""What damage to the archive or to a header inside it makes the libraries raise."""


class Header(NamedTuple):
    """What the first bytes of an array tell."""

    shape: tuple[int, ...]
    dtype: np.dtype


def files(path: Path, _: DatasetSpec) -> Sequence[Path]:
    """The one archive."""
    if path.is_dir():
        raise DatasetUnreadable(f"{path} is a folder, not an .npz file", field="dataset.uri")
    return [path]


def outline(paths: Sequence[Path], spec: DatasetSpec) -> Outline:
    """Arrays and rows from the headers inside the archive; no values are read."""
    headers = _headers(paths[0])
    inputs, labels = (headers[name] for name in _names(list(headers), spec))
    check_shapes(inputs.shape, labels.shape)
    check_types(inputs.dtype, labels.dtype, ndim=len(inputs.shape), spec=spec)
    return Outline(tuple(headers), (labels.shape[0],))


def _headers(path: Path) -> dict[str, Header]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(".npy")]
            return {name.removesuffix(".npy"): _header(archive, name) for name in members}
    except BROKEN as error:
        raise DatasetUnreadable(f"{path.name} is not an .npz archive ({error})", field="dataset.format") from error


def _header(archive: zipfile.ZipFile, name: str) -> Header:
    with archive.open(name) as file:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(file)
    return Header(shape, dtype)


def _names(arrays: Sequence[str], spec: DatasetSpec) -> tuple[str, str]:
    if isinstance(spec.input, list):
        raise UnusableInputs("An .npz archive takes the name of one array", field="dataset.input")
    if isinstance(spec.target, list):
        raise UnusableLabels("An .npz archive takes the name of one array", field="dataset.target")
    chosen = {"dataset.input": spec.input or DEFAULT_INPUT, "dataset.target": spec.target or DEFAULT_TARGET}
    for field, name in chosen.items():
        if name not in arrays:
            raise UnknownColumn(f"{name!r} is not among {', '.join(arrays)}", field=field)
    return chosen["dataset.input"], chosen["dataset.target"]


def load(paths: Sequence[Path], spec: DatasetSpec, limits: Limits) -> Samples:
    """Both arrays, whole."""
    try:
        with np.load(paths[0], allow_pickle=False) as archive:
            inputs, labels = (archive[name] for name in _names(archive.files, spec))
    except BROKEN as error:
        raise DatasetUnreadable(f"{paths[0].name} is damaged ({error})", field="dataset.uri") from error
    return samples(inputs, labels, limits=limits)


NPZ = Format(files, outline, load)
