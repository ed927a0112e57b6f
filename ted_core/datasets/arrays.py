"""What the array formats share: checks on plain NumPy arrays of inputs and labels."""

import numpy as np
import pyarrow as pa

from ted_core.datasets.formats import Limits
from ted_core.datasets.labels import one_class
from ted_core.datasets.places import Places
from ted_core.datasets.samples import Images, Samples, Vectors
from ted_core.datasets.spec import DatasetSpec
from ted_core.datasets.tabular import refuse_non_finite
from ted_core.errors import DatasetUnreadable, SettingUnsuited, UnusableInputs, UnusableLabels

TASKS = ("image-classification", "tabular-classification")
GREY_CHANNELS = (1, 3)


def check_shapes(inputs: tuple[int, ...], labels: tuple[int, ...]) -> None:
    """Raise DatasetUnreadable unless there is one label for each input."""
    if len(labels) != 1 or not inputs or inputs[0] != labels[0]:
        raise DatasetUnreadable(
            f"Inputs of shape {inputs} and labels of shape {labels} do not match", field="dataset.uri"
        )


def check_types(inputs: np.dtype, labels: np.dtype, *, ndim: int, spec: DatasetSpec) -> None:
    """Raise UnusableInputs or UnusableLabels where the task cannot use such arrays."""
    if spec.base_task not in TASKS:
        raise UnusableInputs(f"Arrays of numbers hold nothing for {spec.base_task}", field="dataset.task")
    if spec.missing == "impute":
        raise SettingUnsuited("Arrays have no columns to impute", field="dataset.missing")
    if spec.image_size is not None:
        raise SettingUnsuited("Arrays of images are taken as they are", field="dataset.image_size")
    if labels.kind not in "iubU":
        raise UnusableLabels(f"The labels are of type {labels}", field="dataset.target")
    images = inputs == np.uint8 and ndim in (3, 4)
    if spec.base_task == "image-classification" and not images:
        raise UnusableInputs(f"The inputs are {ndim}-dimensional {inputs}, not uint8 images", field="dataset.input")
    if spec.base_task == "tabular-classification" and (ndim != 2 or inputs.kind not in "iufb"):  # noqa: PLR2004
        raise UnusableInputs(f"The inputs are {ndim}-dimensional {inputs}, not rows of numbers", field="dataset.input")


def samples(inputs: np.ndarray, labels: np.ndarray, *, limits: Limits) -> Samples:
    """The arrays as samples: uint8 images channels first, anything else as float32 vectors."""
    found = one_class(pa.chunked_array([_column(labels)]), name="labels", places=Places())
    values = images_channels_first(inputs) if inputs.dtype == np.uint8 and inputs.ndim > 2 else _vectors(inputs)  # noqa: PLR2004
    limits.refuse_beyond(values.nbytes, "The inputs")
    rows = np.arange(len(labels), dtype=np.uint64)
    return Samples(values, found.codes, found.classes, rows, rows=len(rows))


def _column(labels: np.ndarray) -> pa.Array:
    """The labels for Arrow, which knows only the machine's own byte order."""
    return pa.array(labels.astype(labels.dtype.newbyteorder("=")))


def images_channels_first(images: np.ndarray) -> Images:
    """Images of shape (n, height, width) or (n, height, width, channels) as (n, channels, height, width)."""
    if images.ndim == 3:  # noqa: PLR2004
        return images[:, None]
    if images.shape[-1] not in GREY_CHANNELS:
        raise UnusableInputs(
            f"Images have {images.shape[-1]} channels, not 1 or 3 in the last axis", field="dataset.input"
        )
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def _vectors(inputs: np.ndarray) -> Vectors:
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, which is refused in words
        values = np.ascontiguousarray(inputs, dtype=np.float32)
    refuse_non_finite(values, name="inputs", places=Places())
    return values
