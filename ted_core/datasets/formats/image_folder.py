"""A folder with one folder of images per class, as in ``flowers/rose/0001.jpg``."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa
from PIL import features

from ted_core.datasets.budget import current_budget
from ted_core.datasets.file_batches import LARGEST_FILE, batched_by_size
from ted_core.datasets.formats.row_format import RowReader, format_of, picked_rows
from ted_core.datasets.sources.base import FolderFiles, Source, map_concurrently
from ted_core.datasets.sources.passed_over import PassedOver
from ted_core.datasets.sources.read_errors import translate_read_errors
from ted_core.datasets.sources.shards import split_folder, subfolders
from ted_core.datasets.sources.splits import SHOWN, TRAINING, chosen_split, is_split_folder, split_of, unknown_split
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable, SingleClass, SplitsMixed

SCHEMA = pa.schema({"image": pa.large_binary(), "label": pa.string(), "sample_key": pa.string()})
AVIF = (".avif",) if features.check("avif") else ()
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm", *AVIF),
)
UNREAD_SUFFIXES = (
    *(".avif", ".heic", ".heif", ".hif", ".jxl", ".jp2", ".j2k", ".jpx", ".svg", ".psd", ".tga", ".ico", ".pcx"),
    *(".dng", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".exr", ".hdr", ".dcm", ".nii", ".eps", ".icns"),
    *(".jpg_large", ".jpeg_large", ".npy", ".zip", ".tar", ".gz"),
)
"""Of images that are not read, and of archives that may hold some."""
LARGEST_FIRST = 16 << 20
"""Bytes of an image that is looked at before the others are read."""
LAYOUT = "it should hold one folder per class, with the images of that class in it"


def files(named: Source, spec: DatasetSpec) -> Sequence[Source]:
    """Return the folder as if it were one file: a list of all its images would be longer than most manifests.

    With a split, that is the folder of this name, or the images in the folders of this name in each class.
    """
    if not named.is_folder:
        raise DatasetUnreadable(f"{named} is no folder; {LAYOUT}", field="dataset.uri")
    folder = _folder_of(named, spec.split) if spec.split else named
    others = PassedOver(str(folder), "no image that is read", may_be_data=_may_be_image)
    images = folder.tree(*SUFFIXES, order=row_order, pass_over=others.add)
    others.report()
    if spec.split and folder is named:
        images = _in_classes(named, images, spec.split)
    elif current_budget().listed:
        _refuse_splits(folder, images.names)
    return [replace(folder, inside=images)]


def row_order(name: str) -> str:
    """Return what paths are sorted by as torchvision's ImageFolder does: by class, then by folder, then by name.

    It compares the class folder's names, then whole paths of folders, in which a blank or a hyphen comes before the
    slash that begins the next part; NUL, which no name holds, comes before all.
    """
    folder, _, file = name.rpartition("/")
    return f"{folder.partition('/')[0]}\0{folder}\0{file}"


def _may_be_image(name: str) -> bool:
    """Whether its suffix is that of images, or it has none."""
    return name.lower().endswith(UNREAD_SUFFIXES) or "." not in name.rpartition("/")[2]


# --- splits -----------------------------------------------------------------------------------------------------------


def _folder_of(folder: Source, split: str) -> Source:
    """The folder's own folder of this split, or that of its only one; itself if splits lie in classes, if anywhere."""
    if inner := split_folder(folder, split):
        return inner
    folders = subfolders(folder)
    return (split_folder(folders[0], split) if len(folders) == 1 else None) or folder


def _in_classes(folder: Source, images: FolderFiles, split: str) -> FolderFiles:
    """The images in the folders of this split in each class. Raises UnknownSplit."""
    inner = set(map(_second, images.names))
    if chosen := chosen_split(sorted(inner), split):
        return images.taken([row for row, name in enumerate(images.names) if _second(name) == chosen])
    parts = {part for name in images.names for part in name.split("/")[:2]}
    raise unknown_split(split, sorted(filter(split_of, parts)), where=folder)


def _second(name: str) -> str:
    """The folder in the class folder in which an image lies, at any depth; nothing if it lies in the class folder."""
    _, *inner = name.split("/")[:-1]
    return inner[0] if inner else ""


def _refuse_splits(folder: Source, names: Sequence[str]) -> None:
    """Raise SplitsMixed if classes are really splits, or hold some."""
    classes = {name.partition("/")[0] for name in names if "/" in name}
    seconds = {_second(name) for name in names if "/" in name}
    if _are_splits(classes, deep="" not in seconds):
        raise _splits_error(f"{folder} holds {_listed(classes)}, which are no classes", classes)
    if _are_splits(seconds, deep=len(classes) == 1):
        where = f"{folder}/{min(classes)}" if len(classes) == 1 else f"Every class of {folder}"
        raise _splits_error(f"{where} holds {_listed(seconds)}, which are splits", seconds)


def _are_splits(folders: Collection[str], *, deep: bool) -> bool:
    """Whether they are: all by their whole names, or two of them; or all by a part of it, if classes lie in them."""
    plain = sum(map(is_split_folder, folders))
    return plain > 1 or 0 < plain == len(folders) or (deep and len(folders) > 1 and all(map(split_of, folders)))


def _splits_error(fact: str, splits: Collection[str]) -> SplitsMixed:
    first = next((name for name in sorted(splits) if (split_of(name) or "").lower() in TRAINING), min(splits))
    return SplitsMixed(f"{fact}; set dataset.split to {first}, or name that folder", field="dataset.uri")


def _listed(folders: Collection[str]) -> str:
    return ", ".join(sorted(folders)[:SHOWN])


# --- rows -------------------------------------------------------------------------------------------------------------


def schema_summary(sources: Sequence[Source], _: DatasetSpec) -> tuple[pa.Schema, tuple[int, ...]]:
    """Return the columns and the number of images; none is read.

    Raises DatasetUnreadable if there are no classes, SingleClass if there is one.
    """
    folder = sources[0]
    images = folder.members
    without_class = next((name for name in _keys(images) if "/" not in name), None)
    if without_class is not None:
        raise DatasetUnreadable(f"{without_class} lies in {folder} itself; {LAYOUT}", field="dataset.uri")
    if current_budget().listed:
        _check_classes(folder, images)
    return SCHEMA, (len(images),)


def _check_classes(folder: Source, images: Sequence[Source]) -> None:
    if not images:
        raise DatasetUnreadable(f"{folder} holds no images in folders; {LAYOUT}", field="dataset.uri")
    first, last = (image.name.partition("/")[0] for image in (images[0], images[-1]))
    if first == last:  # images come class after class
        inner = {second for name in _keys(images) if (second := _second(name))}
        hint = f"; if its folders {_listed(inner)} are the classes, name {folder}/{first}" if inner else ""
        raise SingleClass(f"{folder} holds one class, {first}{hint}", field="dataset.target")


def batches(sources: Sequence[Source], names: Sequence[str], _: DatasetSpec) -> Iterator[pa.RecordBatch]:
    """Yield, in the order of ``row_order``, images' bytes, their class folders' names, their paths in the folder."""
    schema = pa.schema([SCHEMA.field(name) for name in names])
    for images in batched_by_size(sources[0].members, size=_size):
        yield pa.record_batch([COLUMNS[name](images) for name in names], schema=schema)


def _rows_of_folder(
    folder: Source, names: Sequence[str], spec: DatasetSpec, rows: Sequence[int]
) -> Iterator[pa.RecordBatch]:
    chosen = replace(folder, inside=tuple(folder.members[row] for row in rows))
    return picked_rows(batches([chosen], names, spec), range(len(rows)))


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


def _first_image(sources: Sequence[Source]) -> bytes | None:
    image = sources[0].members[0]
    return _content(image) if image.size <= LARGEST_FIRST else None


def _labels(images: Sequence[Source]) -> list[str]:
    return [image.name.partition("/")[0] for image in images]


def _keys(images: Sequence[Source]) -> Sequence[str]:
    return images.names if isinstance(images, FolderFiles) else [image.name for image in images]


COLUMNS: Mapping[str, Callable[[Sequence[Source]], Sequence[bytes | str]]] = {
    "image": _contents,
    "label": _labels,
    "sample_key": _keys,
}

IMAGE_FOLDER = format_of(RowReader(files, schema_summary, batches, _first_image, _rows_of_folder))
