"""WebDataset: tar archives in which the files of one sample follow each other and share a name: 0001.jpg, 0001.cls.

The layout is that of https://github.com/webdataset/webdataset: a sample's key is its files' path up to the first dot of
their name; what follows, the suffix, says what they hold.
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
"""A file's path as key and suffix; hidden files belong to no sample."""
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
    """Return the columns, and how many samples each archive holds by the headers inside it.

    A compressed archive is decompressed for that. Raises DatasetUnreadable, and MissingValues for a sample without a
    file that the task needs.
    """
    names = ("text" if spec.base_task == "text-classification" else "image", "label", "sample_key")
    return _schema(names), tuple(_count(source, names) for source in sources)


@cached_per_source
def _count(source: Source, names: tuple[str, ...]) -> int:
    count = 0
    columns = [name for name in names if name in SUFFIXES]
    for sample in _samples(source, suffixes=()):
        for column in columns:
            _suffix_of(sample, column)
        count += 1
    return count


def batches(sources: Sequence[Source], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the columns of some samples at a time. Raises DatasetUnreadable, MissingValues, UnusableLabels."""
    suffixes = [suffix for name in names for suffix in SUFFIXES.get(name, ())]
    rows = (_row(sample, names) for source in sources for sample in _samples(source, suffixes=suffixes))
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
    """By suffix; empty if it was not asked for."""


def _samples(source: Source, *, suffixes: Collection[str]) -> Iterator[Sample]:
    """The archive's samples, with the contents of the files that have one of the suffixes."""
    for key, files in groupby(_sample_files(source, suffixes=suffixes), key=attrgetter("key")):
        contents: dict[str, bytes] = {}
        for file in files:
            if file.suffix in contents:
                fact = f"{source.name} holds {key}.{file.suffix} twice in a sample"
                raise DatasetUnreadable(fact, field="dataset.uri")
            contents[file.suffix] = file.content
        yield Sample(source.name, key, contents)


def _sample_files(source: Source, *, suffixes: Collection[str]) -> Iterator[SampleFile]:
    for file in tar.archive_files(source, read_content=lambda name: _suffix(name) in suffixes):
        if match := NAME.fullmatch(file.name):
            yield SampleFile(match[1], _suffix(file.name), file.content)


def _suffix(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[2].lower()


def _suffix_of(sample: Sample, column: str) -> str:
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
    return sample.contents[_suffix_of(sample, "image")]


def _text(sample: Sample) -> str:
    return _decoded(sample, _suffix_of(sample, "text"))


def _label(sample: Sample) -> str:
    """The text of the .cls file, or what the .json file says."""
    suffix = _suffix_of(sample, "label")
    text = _decoded(sample, suffix)
    label = text.strip() if suffix == "cls" else _json_label(sample, text)
    if label in ("", None):
        raise MissingValues(f"{sample.key}.{suffix} in {sample.archive} holds no label", field="dataset.target")
    if not isinstance(label, str | int) or HALF_CHARACTER.search(str(label)):
        fact = f"The label in {sample.key}.{suffix} in {sample.archive} is {label!r}"
        raise UnusableLabels(fact, field="dataset.target")
    return str(label)


def _json_label(sample: Sample, text: str) -> Any:
    """The value under "label" or, failing that, "target"; None if there is neither."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        fact = f"{sample.key}.json in {sample.archive} is not JSON ({error})"
        raise DatasetUnreadable(fact, field="dataset.uri") from error
    keys = [key for key in LABEL_KEYS if isinstance(content, dict) and key in content]
    return content[keys[0]] if keys else None


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
