"""A folder with one folder of images per class, as in ``flowers/rose/0001.jpg``."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from ted_core.datasets.encoded import LARGEST_FILE, batched
from ted_core.datasets.formats import Member
from ted_core.datasets.rows import RowReader, format_of
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable

SCHEMA = pa.schema({"image": pa.large_binary(), "label": pa.string(), "sample_key": pa.string()})
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
SPLITS = {"train", "training", "val", "valid", "validation", "dev", "eval", "test"}
LAYOUT = "it should hold one folder per class, with the images of that class in it"
THREADS = 8
"""Files that are read at the same time; a thread that waits for a disk takes no processor."""


def files(path: Path, _: DatasetSpec) -> Sequence[Path]:
    """The folder, as if it were one file: a list of all its images would be longer than most manifests."""
    if not path.is_dir():
        raise DatasetUnreadable(f"{path} is no folder; {LAYOUT}", field="dataset.uri")
    return [path]


def members(folder: Path) -> Iterator[Member]:
    """The folder's images, in row order. Raises DatasetUnreadable."""
    return (Member(name, folder / name) for name in _names(folder))


def outline(paths: Sequence[Path], _: DatasetSpec) -> tuple[pa.Schema, tuple[int, ...]]:
    """The columns, and how many images there are; none is read. Raises DatasetUnreadable where classes are not told."""
    folder, names = paths[0], _names(paths[0])
    beside = next((name for name in names if "/" not in name), None)
    if beside is not None:
        raise DatasetUnreadable(f"{beside} lies in {folder} itself; {LAYOUT}", field="dataset.uri")
    classes = {_label(name) for name in names}
    if not classes:
        raise DatasetUnreadable(f"{folder} holds no images in folders; {LAYOUT}", field="dataset.uri")
    if classes <= SPLITS:
        found = ", ".join(sorted(classes))
        raise DatasetUnreadable(f"{folder} holds {found}, which are no classes; name one of them", field="dataset.uri")
    return SCHEMA, (len(names),)


def batches(paths: Sequence[Path], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Of each image, in the order of their paths: its bytes, its class folder's name, its path inside the folder."""
    schema = pa.schema([SCHEMA.field(name) for name in names])
    for images in batched(members(paths[0]), size=_size):
        yield pa.record_batch([COLUMNS[name](images) for name in names], schema=schema)


def _size(image: Member) -> int:
    try:
        size = image.path.stat().st_size
    except OSError as error:
        raise _unreadable(image, error) from error
    if size > LARGEST_FILE:
        raise DatasetUnreadable(f"{image.name} takes {size:,} bytes, more than {LARGEST_FILE:,}", field="dataset.uri")
    return size


def _contents(images: Sequence[Member]) -> list[bytes]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(_content, images))


def _content(image: Member) -> bytes:
    try:
        return image.path.read_bytes()
    except OSError as error:
        raise _unreadable(image, error) from error


def _unreadable(image: Member, error: OSError) -> DatasetUnreadable:
    return DatasetUnreadable(f"{image.name} cannot be read ({error.strerror})", field="dataset.uri")


def _labels(images: Sequence[Member]) -> list[str]:
    return [_label(image.name) for image in images]


def _label(name: str) -> str:
    return name.partition("/")[0]


def _keys(images: Sequence[Member]) -> list[str]:
    return [image.name for image in images]


COLUMNS: Mapping[str, Callable[[Sequence[Member]], Sequence[bytes | str]]] = {
    "image": _contents,
    "label": _labels,
    "sample_key": _keys,
}


# --- the walk ---------------------------------------------------------------------------------------------------------


def _names(folder: Path) -> list[str]:
    """The images' paths inside the folder, in bytewise order."""
    try:
        return sorted(_found(folder), key=str.encode)
    except OSError as error:
        raise DatasetUnreadable(
            f"{error.filename!a} cannot be listed ({error.strerror})", field="dataset.uri"
        ) from error
    except UnicodeEncodeError as error:
        raise DatasetUnreadable(f"{error.object!a} is no name in UTF-8; rename it", field="dataset.uri") from error


def _found(folder: Path) -> Iterator[str]:
    """The images at any depth; hidden files and folders are passed over."""
    pending = [""]
    while pending:
        inside = pending.pop()
        for entry in _visible(folder / inside):
            if entry.is_dir():
                pending.append(f"{inside}{_own(entry)}/")
            elif entry.name.lower().endswith(SUFFIXES):
                yield inside + entry.name


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".")]


def _own(folder: os.DirEntry[str]) -> str:
    """The folder's name. A link to a folder is refused: it could lead anywhere, or back to where it lies."""
    if folder.is_symlink():
        fact = f"{folder.path!a} is a link to a folder; put a folder there, whose files may be links"
        raise DatasetUnreadable(fact, field="dataset.uri")
    return folder.name


IMAGE_FOLDER = format_of(RowReader(files, outline, batches, members))
