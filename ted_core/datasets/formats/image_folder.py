"""A folder with one folder of images per class, as in ``flowers/rose/0001.jpg``."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from ted_core.datasets.file_batches import LARGEST_FILE, batched_by_size
from ted_core.datasets.formats.row_format import RowReader, format_of
from ted_core.datasets.sources.base import Source, map_concurrently
from ted_core.datasets.sources.read_errors import translate_read_errors
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable

SCHEMA = pa.schema({"image": pa.large_binary(), "label": pa.string(), "sample_key": pa.string()})
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
SPLITS = {"train", "training", "val", "valid", "validation", "dev", "eval", "test"}
LAYOUT = "it should hold one folder per class, with the images of that class in it"


def files(folder: Source, _: DatasetSpec) -> Sequence[Source]:
    """Return the folder as if it were one file: a list of all its images would be longer than most manifests."""
    if not folder.is_folder:
        raise DatasetUnreadable(f"{folder} is no folder; {LAYOUT}", field="dataset.uri")
    return [replace(folder, inside=tuple(folder.tree(*SUFFIXES)))]


def schema_summary(sources: Sequence[Source], _: DatasetSpec) -> tuple[pa.Schema, tuple[int, ...]]:
    """Return the columns and the number of images; none is read. Raises DatasetUnreadable if there are no classes."""
    folder = sources[0]
    images = folder.members
    without_class = next((image.name for image in images if "/" not in image.name), None)
    if without_class is not None:
        raise DatasetUnreadable(f"{without_class} lies in {folder} itself; {LAYOUT}", field="dataset.uri")
    classes = set(_labels(images))
    if not classes:
        raise DatasetUnreadable(f"{folder} holds no images in folders; {LAYOUT}", field="dataset.uri")
    if classes <= SPLITS:
        splits = ", ".join(sorted(classes))
        raise DatasetUnreadable(f"{folder} holds {splits}, which are no classes; name one of them", field="dataset.uri")
    return SCHEMA, (len(images),)


def batches(sources: Sequence[Source], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield, in the order of the images' paths, their bytes, their class folders' names, their paths in the folder."""
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
    with translate_read_errors(image, otherwise="cannot be read"), image.open() as file:
        return bytes(file.read())


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
