"""Encoded images, and a folder of them for each class."""

import io
from pathlib import Path

from PIL import Image

from ted_core.datasets.columns.types import encoded_images
from ted_core.export.errors import ExportUnsuited
from ted_core.export.form import ExportForm
from ted_core.export.retained_rows import ExportBlock, ExportedDataset, is_complete

SUFFIXES = {"JPEG": "jpg", "MPO": "jpg"}
"""Where Pillow's name of a format is not the usual suffix."""


def pictures(block: ExportBlock, dataset: ExportedDataset) -> list[bytes]:
    """Return the block's encoded images, as the dataset has them. Raises ExportUnsuited if one is missing."""
    column = block.table[dataset.summary.inputs[0]]
    images = [image for chunk in column.chunks for image in encoded_images(chunk)]
    found = [image for image in images if image is not None]
    if len(found) < len(images):
        raise ExportUnsuited("A retained row has no image")
    return found


def picture_suffix(image: bytes) -> str:
    """Return what the file of an encoded image ends in."""
    with Image.open(io.BytesIO(image)) as opened:
        kind = opened.format or "img"
    return SUFFIXES.get(kind, kind.lower())


def check_images(dataset: ExportedDataset) -> None:
    """Raise ExportUnsuited unless rows are images of one class each."""
    if dataset.spec.base_task != "image-classification":
        raise ExportUnsuited(f"The dataset is one of {dataset.spec.task}, not of images")
    if not dataset.has_one_class_each or not is_complete(dataset):
        raise ExportUnsuited("Rows have several classes, or none, and an image lies in one folder")


def _check_folders(dataset: ExportedDataset) -> None:
    check_images(dataset)
    for name in dataset.classes:
        if not name.strip() or name.startswith(".") or {*name} & {"/", "\\", "\0"}:
            raise ExportUnsuited(f"Class {name!r} can be no folder's name")


def _write(folder: Path, block: ExportBlock, dataset: ExportedDataset) -> None:
    for image, row, label, key in zip(pictures(block, dataset), block.rows, block.labels, block.keys, strict=True):
        keeps_name = dataset.spec.format == "image-folder" and key is not None
        path = folder / (str(key) if keeps_name else f"{label}/{row:09}.{picture_suffix(image)}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image)


IMAGE_FOLDER = ExportForm(
    guide='`torchvision.datasets.ImageFolder(FOLDER)`, `datasets.load_dataset("imagefolder", data_dir=FOLDER)`; both '
    "number classes by their folders' names, in alphabetical order",
    check=_check_folders,
    write=_write,
)
