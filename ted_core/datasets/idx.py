"""IDX, the format of MNIST: a file of images and a file of labels, gzipped or not.

The layout is that of http://yann.lecun.com/exdb/mnist: two zero bytes, a type code, the number of axes, each axis'
length as big-endian uint32, then the values.
"""

import gzip
import struct
import zlib
from collections.abc import Sequence
from io import BufferedReader
from pathlib import Path

import numpy as np

from ted_core.datasets.arrays import check_shapes, check_types, samples
from ted_core.datasets.formats import Format, Limits, Outline
from ted_core.datasets.samples import Samples
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable, UnknownColumn, UnusableInputs, UnusableLabels

Stream = gzip.GzipFile | BufferedReader

UINT8 = 0x08
MOST_AXES = 4
PREFERRED = "train"
BROKEN = (OSError, EOFError, struct.error, zlib.error, ValueError)


def files(path: Path, spec: DatasetSpec) -> Sequence[Path]:
    """Images first, then labels: the files that the request names, or the only ones that look like it.

    Where a folder holds a training and a test set, the files whose names begin with "train" are taken.
    """
    if not path.is_dir():
        raise DatasetUnreadable(f"{path} is a file; name the folder that holds images and labels", field="dataset.uri")
    if isinstance(spec.input, list):
        raise UnusableInputs("An IDX dataset takes the name of one images file", field="dataset.input")
    if isinstance(spec.target, list):
        raise UnusableLabels("An IDX dataset takes the name of one labels file", field="dataset.target")
    images = _chosen(path, spec.input, pattern="*idx3*", field="dataset.input")
    return [images, _chosen(path, spec.target, pattern="*idx1*", field="dataset.target")]


def _chosen(folder: Path, name: str | None, *, pattern: str, field: str) -> Path:
    candidates = sorted(folder.glob(pattern))
    if name is not None:
        candidates = [file for file in folder.iterdir() if file.name == name]
    elif len(candidates) > 1:
        candidates = [file for file in candidates if file.name.startswith(PREFERRED)]
    if len(candidates) != 1:
        here = ", ".join(sorted(file.name for file in folder.iterdir())[:10])
        raise UnknownColumn(f"{name or pattern} does not name one file among {here}", field=field)
    return candidates[0]


def outline(paths: Sequence[Path], spec: DatasetSpec) -> Outline:
    """Shapes from the headers; no values are read."""
    images, labels = (_shape(path) for path in paths)
    check_shapes(images, labels)
    check_types(np.dtype(np.uint8), np.dtype(np.uint8), ndim=len(images), spec=spec)
    return Outline(tuple(path.name for path in paths), (labels[0],))


def _shape(path: Path) -> tuple[int, ...]:
    try:
        with _opened(path) as file:
            return _header(file)
    except BROKEN as error:
        raise DatasetUnreadable(f"{path.name} is not an IDX file ({error})", field="dataset.format") from error


def _opened(path: Path) -> Stream:
    return gzip.GzipFile(path) if path.suffix == ".gz" else path.open("rb")


def _header(file: Stream) -> tuple[int, ...]:
    zero, kind, axes = struct.unpack(">HBB", file.read(4))
    if zero or kind != UINT8 or not 1 <= axes <= MOST_AXES:
        raise ValueError("no IDX header of unsigned bytes")
    return struct.unpack(f">{axes}I", file.read(4 * axes))


def _values(path: Path) -> np.ndarray:
    try:
        with _opened(path) as file:
            shape = _header(file)
            return np.frombuffer(bytearray(file.read()), dtype=np.uint8).reshape(shape)
    except BROKEN as error:
        raise DatasetUnreadable(f"{path.name} is damaged ({error})", field="dataset.uri") from error


def load(paths: Sequence[Path], _: DatasetSpec, limits: Limits) -> Samples:
    """Both files, whole."""
    images, labels = (_values(path) for path in paths)
    return samples(images, labels, limits=limits)


IDX = Format(files, outline, load)
