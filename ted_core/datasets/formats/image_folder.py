"""A folder with one folder of images per class, as in ``flowers/rose/0001.jpg``."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from ted_core.datasets.file_batches import LARGEST_FILE, batched_by_size
from ted_core.datasets.formats.row_format import RowReader, format_of
from ted_core.datasets.sources.base import Source, map_concurrently, unreadable_error
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable

SCHEMA = pa.schema({"image": pa.large_binary(), "label": pa.string(), "sample_key": pa.string()})
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
SPLITS = {"train", "training", "val", "valid", "validation", "dev", "eval", "test"}
LAYOUT = "it should hold one folder per class, with the images of that class in it"


def files(folder: Source, _: DatasetSpec) -> Sequence[Source]:
    """The folder, as if it were one file: a list of all its images would be longer than most manifests."""
    if not folder.is_folder:
        raise DatasetUnreadable(f"{folder} is no folder; {LAYOUT}", field="dataset.uri")
    return [replace(folder, inside=tuple(folder.tree(*SUFFIXES)))]


def schema_summary(sources: Sequence[Source], _: DatasetSpec) -> tuple[pa.Schema, tuple[int, ...]]:
    """The columns, and how many images there are; none is read. Raises DatasetUnreadable where classes are not told."""
    folder, images = sources[0], sources[0].members
    beside = next((image.name for image in images if "/" not in image.name), None)
    if beside is not None:
        raise DatasetUnreadable(f"{beside} lies in {folder} itself; {LAYOUT}", field="dataset.uri")
    classes = set(_labels(images))
    if not classes:
        raise DatasetUnreadable(f"{folder} holds no images in folders; {LAYOUT}", field="dataset.uri")
    if classes <= SPLITS:
        found = ", ".join(sorted(classes))
        raise DatasetUnreadable(f"{folder} holds {found}, which are no classes; name one of them", field="dataset.uri")
    return SCHEMA, (len(images),)


def batches(sources: Sequence[Source], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Of each image, in the order of their paths: its bytes, its class folder's name, its path inside the folder."""
    schema = pa.schema([SCHEMA.field(name) for name in names])
    for images in batched_by_size(sources[0].members, size=_size):
        yield pa.record_batch([COLUMNS[name](images) for name in names], schema=schema)


def _size(image: Source) -> int:
    if image.size > LARGEST_FILE:
        fact = f"{image.name} takes {image.size:,} bytes, more than {LARGEST_FILE:,}"
        raise DatasetUnreadable(fact, field="dataset.uri")
    return image.size


def _contents(images: Sequence[Source]) -> list[bytes]:
    return list(map_concurrently(_content, images))


def _content(image: Source) -> bytes:
    try:
        with image.open() as file:
            return bytes(file.read())
    except OSError as error:
        raise unreadable_error(f"{image.name} cannot be read", error) from error


def _labels(images: Sequence[Source]) -> list[str]:
    return [image.name.partition("/")[0] for image in images]


def _keys(images: Sequence[Source]) -> list[str]:
    return [image.name for image in images]


COLUMNS: Mapping[str, Callable[[Sequence[Source]], Sequence[bytes | str]]] = {
    "image": _contents,
    "label": _labels,
    "sample_key": _keys,
}

IMAGE_FOLDER = format_of(RowReader(files, schema_summary, batches))
