"""WebDataset: tar archives in which the files of one sample follow each other and share a name: 0001.jpg, 0001.cls.

The layout is that of https://github.com/webdataset/webdataset: a sample's key is its files' path up to the first dot of
their name; what follows, the suffix, tells what they hold.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import pyarrow as pa

from ted_core.datasets.file_batches import batched_by_size
from ted_core.datasets.formats import tar
from ted_core.datasets.formats.row_format import RowReader, format_of
from ted_core.datasets.formats.text_scan import cached_per_source
from ted_core.datasets.sources.base import Source
from ted_core.datasets.sources.shards import files_with
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable, MissingValues, UnusableLabels

NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]*)", re.DOTALL)
"""A file's path as key and suffix; hidden files are no part of a sample."""
SUFFIXES: Mapping[str, Sequence[str]] = {
    "image": ("jpg", "jpeg", "png", "webp"),
    "text": ("txt",),
    "label": ("cls", "json"),
}
"""The files that may hold a column; the first of them that a sample has is read."""
TYPES = {"image": pa.large_binary(), "text": pa.string(), "label": pa.string(), "sample_key": pa.string()}
LABEL_KEYS = ("label", "target")
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
"""What JSON can escape and UTF-8 cannot hold."""


def schema_summary(sources: Sequence[Source], spec: DatasetSpec) -> tuple[pa.Schema, tuple[int, ...]]:
    """The columns, and how many samples each archive holds, told by the headers inside it.

    A compressed archive is decompressed for that. Raises DatasetUnreadable, and MissingValues for a sample without a
    file that the task needs.
    """
    names = ("text" if spec.base_task == "text-classification" else "image", "label", "sample_key")
    return _schema(names), tuple(_count(source, names) for source in sources)


@cached_per_source
def _count(source: Source, names: tuple[str, ...]) -> int:
    count = 0
    for sample in _samples(source, wanted=()):
        for name in names:
            if name in SUFFIXES:
                _file(sample, name)
        count += 1
    return count


def batches(sources: Sequence[Source], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The columns of some samples at a time. Raises DatasetUnreadable, MissingValues, UnusableLabels."""
    wanted = [suffix for name in names for suffix in SUFFIXES.get(name, ())]
    rows = (_row(sample, names) for source in sources for sample in _samples(source, wanted=wanted))
    for batch in batched_by_size(rows, size=lambda row: sum(map(len, row))):
        arrays = [pa.array(values, TYPES[name]) for name, values in zip(names, zip(*batch, strict=True), strict=True)]
        yield pa.record_batch(arrays, schema=_schema(names))


def _schema(names: Sequence[str]) -> pa.Schema:
    return pa.schema([(name, TYPES[name]) for name in names])


# --- samples ----------------------------------------------------------------------------------------------------------


class SampleFile(NamedTuple):
    """A file of a sample."""

    key: str
    suffix: str
    content: bytes


@dataclass(frozen=True)
class Sample:
    """The files of an archive that follow each other and share a key."""

    archive: str
    key: str
    contents: Mapping[str, bytes]
    """By suffix; empty where not wanted."""


def _samples(source: Source, *, wanted: Collection[str]) -> Iterator[Sample]:
    """The archive's samples, with the contents of the files whose suffix is wanted."""
    for key, parts in groupby(_parts(source, wanted=wanted), key=attrgetter("key")):
        contents: dict[str, bytes] = {}
        for part in parts:
            if part.suffix in contents:
                raise DatasetUnreadable(
                    f"{source.name} holds {key}.{part.suffix} twice in a sample", field="dataset.uri"
                )
            contents[part.suffix] = part.content
        yield Sample(source.name, key, contents)


def _parts(source: Source, *, wanted: Collection[str]) -> Iterator[SampleFile]:
    for file in tar.archive_files(source, wanted=lambda name: _suffix(name) in wanted):
        if named := NAME.fullmatch(file.name):
            yield SampleFile(named[1], _suffix(file.name), file.content)


def _suffix(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[2].lower()


def _file(sample: Sample, column: str) -> str:
    """The suffix of the file that holds the column. Raises MissingValues."""
    for suffix in SUFFIXES[column]:
        if suffix in sample.contents:
            return suffix
    expected = " or ".join(f"{sample.key}.{suffix}" for suffix in SUFFIXES[column])
    field = "dataset.target" if column == "label" else "dataset.input"
    raise MissingValues(f"{sample.archive} holds no {expected}", field=field)


# --- columns ----------------------------------------------------------------------------------------------------------


def _row(sample: Sample, names: Sequence[str]) -> tuple[bytes | str, ...]:
    return tuple(COLUMNS[name](sample) for name in names)


def _image(sample: Sample) -> bytes:
    return sample.contents[_file(sample, "image")]


def _text(sample: Sample) -> str:
    return _decoded(sample, _file(sample, "text"))


def _label(sample: Sample) -> str:
    """The text of the .cls file, or what the .json file says."""
    suffix = _file(sample, "label")
    text = _decoded(sample, suffix)
    label = text.strip() if suffix == "cls" else _labelled(sample, text)
    if label in ("", None):
        raise MissingValues(f"{sample.key}.{suffix} in {sample.archive} holds no label", field="dataset.target")
    if not isinstance(label, str | int) or HALF_CHARACTER.search(str(label)):
        fact = f"The label in {sample.key}.{suffix} in {sample.archive} is {label!r}"
        raise UnusableLabels(fact, field="dataset.target")
    return str(label)


def _labelled(sample: Sample, text: str) -> Any:
    """The value under "label" or, failing that, "target"; None where there is neither."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        fact = f"{sample.key}.json in {sample.archive} is not JSON ({error})"
        raise DatasetUnreadable(fact, field="dataset.uri") from error
    keys = [key for key in LABEL_KEYS if isinstance(found, dict) and key in found]
    return found[keys[0]] if keys else None


def _decoded(sample: Sample, suffix: str) -> str:
    try:
        return sample.contents[suffix].decode()
    except UnicodeDecodeError as error:
        fact = f"{sample.key}.{suffix} in {sample.archive} is not UTF-8 ({error})"
        raise DatasetUnreadable(fact, field="dataset.uri") from error


def _key(sample: Sample) -> str:
    return sample.key


COLUMNS: Mapping[str, Callable[[Sample], bytes | str]] = {
    "image": _image,
    "text": _text,
    "label": _label,
    "sample_key": _key,
}

WEBDATASET = format_of(RowReader(files_with(".tar", ".tar.gz"), schema_summary, batches))
