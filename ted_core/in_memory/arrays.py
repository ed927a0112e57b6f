"""Arrays and tensors of numbers or images, with one class for each row."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from ted_core.datasets import DatasetSpec, Limits
from ted_core.datasets.formats.array_format import ArrayStream, array_rows, array_samples
from ted_core.in_memory.data import URI, ArgumentUnclear, ArgumentUnusable, InMemoryData

NAME = "x"
ROWS_AT_A_TIME = 4096
TABLE, GREY, COLOUR = 2, 3, 4
"""Dimensions of rows of numbers, of images without an axis of channels, and of images with one."""
CHANNELS = (1, 3)
LAYOUTS = {"NHW": GREY, "NHWC": COLOUR, "NCHW": COLOUR}
"""N images of H rows and W columns of pixels in C channels → dimensions."""
WHITE = 255


def array_data(
    x: Any, y: Any, *, task: str | None, layout: str | None, pixel_range: tuple[float, float] | None
) -> InMemoryData:
    """Return the samples. Raise ArgumentUnclear, ArgumentUnusable, and what reading a file of arrays raises."""
    values, labels = as_array(x, "x"), class_array(y)
    if len(values.shape) == 0 or labels.shape[:1] != values.shape[:1]:
        raise ArgumentUnusable(
            f"x of shape {values.shape} and y of shape {labels.shape} differ in their rows", field="y"
        )
    inputs = values
    if values.ndim > TABLE:
        inputs = as_pixels(channels_last(values, layout), pixel_range)
    elif layout or pixel_range:
        raise ArgumentUnusable(f"layout and pixel_range are for images, and x has {values.ndim} dimensions", field="x")
    task = task or ("image-classification" if inputs.ndim > TABLE else "tabular-classification")
    spec = DatasetSpec(uri=URI, task=task)
    stream = ArrayStream(inputs.shape, inputs.dtype, list(_blocks(inputs)))
    samples = array_samples(stream, labels, name=NAME, spec=spec, limits=Limits())
    read = partial(_rows_of, stream, spec)
    return InMemoryData(samples, spec, values.nbytes + labels.nbytes, _digest(values, labels), read)


def _rows_of(stream: ArrayStream, spec: DatasetSpec, _: Sequence[str], rows: Sequence[int]) -> Iterator[pa.RecordBatch]:
    return array_rows(stream, rows, name=NAME, spec=spec)


def as_array(values: Any, name: str) -> np.ndarray:
    """Return a NumPy array of what may be a tensor or lists; a copy only if it has to be. Raise ArgumentUnusable."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ArgumentUnusable(f"{name} has masked values, which would be read as if they were not", field=name)
    if hasattr(values, "detach"):  # of torch
        values = values.detach().cpu()
        values = values.float() if str(values.dtype) == "torch.bfloat16" else values
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ArgumentUnusable(f"{name} is no array of numbers ({error})", field=name) from error
    if array.dtype == object or array.dtype.names:
        kind = type(values).__name__
        raise ArgumentUnusable(f"{name}, a {kind}, holds objects or records and no plain numbers", field=name)
    return array


def class_array(y: Any) -> np.ndarray:
    """Return the classes as an array of numbers, booleans or texts. Raise ArgumentUnusable."""
    if y is None:
        raise ArgumentUnusable("y is missing: which class each row has", field="y")
    values = getattr(y, "to_numpy", lambda: y)()
    if isinstance(values, np.ndarray) and values.dtype == object and all(isinstance(one, str) for one in values):
        values = values.astype(str)
    return as_array(values, "y")


def channels_last(images: np.ndarray, layout: str | None) -> np.ndarray:
    """Return a view in which the channels come last. Raise ArgumentUnclear unless the shape shows where they are."""
    fitting = [layout] if layout else _possible_layouts(images.shape)
    if layout and LAYOUTS.get(layout) != images.ndim:
        fact = f"layout {layout!r} does not fit the shape {images.shape}; {', '.join(LAYOUTS)} are known"
        raise ArgumentUnusable(fact, field="layout")
    if len(fitting) != 1:
        raise ArgumentUnclear(f"An x of shape {images.shape} may be {_choice(fitting)}", field="layout")
    return images.transpose(0, 2, 3, 1) if fitting == ["NCHW"] else images


def _possible_layouts(shape: tuple[int, ...]) -> list[str]:
    if len(shape) != COLOUR:
        return []
    return [name for name, channels in (("NCHW", shape[1]), ("NHWC", shape[3])) if channels in CHANNELS]


def _choice(layouts: list[str]) -> str:
    if layouts:
        return "images with their channels first or last: layout='NCHW' or layout='NHWC'"
    return "grey images (layout='NHW'); rows of numbers have the shape (rows, features)"


def as_pixels(images: np.ndarray, pixel_range: tuple[float, float] | None) -> np.ndarray:
    """Return the images as uint8, black being the first number of ``pixel_range`` and white the second.

    Raise ArgumentUnclear for other numbers than uint8 without that range, ArgumentUnusable for values outside it.
    """
    if images.dtype == np.uint8 and pixel_range is None:
        return images
    if images.dtype.kind not in "iufb":
        raise ArgumentUnusable(f"x holds {images.dtype}, not pixels", field="x")
    if pixel_range is None:
        fact = f"Images of {images.dtype} do not say what is black and what is white: pixel_range=(0, 1), or (0, 255) …"
        raise ArgumentUnclear(fact, field="pixel_range")
    black, white = pixel_range
    if not black < white:
        raise ArgumentUnusable(f"pixel_range {pixel_range} does not go from black to white", field="pixel_range")
    pixels = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), ROWS_AT_A_TIME):
        part = slice(start, start + ROWS_AT_A_TIME)
        pixels[part] = _scaled(images[part], black, white)
    return pixels


def _scaled(images: np.ndarray, black: float, white: float) -> np.ndarray:
    if not (np.isfinite(images).all() and images.min() >= black and images.max() <= white):
        fact = f"x has values from {images.min():g} to {images.max():g}, outside pixel_range ({black:g}, {white:g})"
        raise ArgumentUnusable(fact, field="pixel_range")
    share = (images.astype(np.float64) - black) / (white - black)
    return np.asarray(np.rint(share * WHITE))


def _blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(values), ROWS_AT_A_TIME):
        yield values[start : start + ROWS_AT_A_TIME]


def _digest(*arrays: np.ndarray) -> str:
    """The SHA-256 of types, shapes and values, in row order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(json.dumps([array.dtype.str, array.shape]).encode())
        for block in _blocks(array):
            digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()
