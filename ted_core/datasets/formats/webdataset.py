"""WebDataset: tar archives in which the files of one sample follow each other and share a name: 0001.jpg, 0001.cls.

The layout is that of https://github.com/webdataset/webdataset: a sample's key is its files' path up to the first dot of
their name; what follows, the suffix, says what they hold.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import pyarrow as pa

from ted_core.datasets.budget import within_budget
from ted_core.datasets.file_batches import batched_by_size
from ted_core.datasets.findings import SHOWN, findings, warn
from ted_core.datasets.formats import tar
from ted_core.datasets.formats.row_format import RowReader, format_of, rows_by_reading
from ted_core.datasets.formats.text_scan import cached_per_source
from ted_core.datasets.sources.base import Source
from ted_core.datasets.sources.passed_over import FIRST, PassedOver
from ted_core.datasets.sources.shards import files_with
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable, MissingValues, UnusableLabels
from ted_core.warnings import WarningCode

NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]*)", re.DOTALL)
"""A file's path as key and suffix; hidden files belong to no sample."""
SUFFIXES: Mapping[str, Sequence[str]] = {
    "image": ("jpg", "jpeg", "png", "webp"),
    "text": ("txt",),
    "label": ("cls", "json"),
}
"""The files that may hold a column; the first of them that a sample has is read."""
TYPES = {"image": pa.large_binary(), "text": pa.string(), "label": pa.string(), "sample_key": pa.string()}
IMAGE_SUFFIXES = (*SUFFIXES["image"], "jfif", "gif", "bmp", "tif", "tiff", "ppm", "pgm", "avif", "heic", "npy")
LABEL_KEYS = ("label", "target")
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
"""What JSON can escape and UTF-8 cannot hold."""


class Contents(NamedTuple):
    """What an archive holds, as far as the inspection's budget goes."""

    samples: int
    unread: Mapping[str, int]
    """Suffix of samples' files of which no column is made → how many there are."""
    outside: tuple[str, ...]
    """Files that belong to no sample, as many as are named."""
    more_outside: int
    """How many there are besides."""


def schema_summary(sources: Sequence[Source], spec: DatasetSpec) -> tuple[pa.Schema, tuple[int, ...]]:
    """Return the columns, and how many samples each archive holds by the headers inside it.

    A compressed archive is decompressed for that. Raises DatasetUnreadable, and MissingValues for a sample without a
    file that the task needs.
    """
    names = ("text" if spec.base_task == "text-classification" else "image", "label", "sample_key")
    contents = tuple(_contents(source, names) for source in within_budget(sources))
    _report_unread(contents)
    for source, found in zip(sources, contents, strict=False):
        _report_outside(source, found)
    return _schema(names), tuple(found.samples for found in contents)


@cached_per_source
def _contents(source: Source, names: tuple[str, ...]) -> Contents:
    samples, unread, outside = 0, Counter[str](), list[str]()
    columns = [name for name in names if name in SUFFIXES]
    for sample in within_budget(_samples(source, suffixes=(), pass_over=outside.append)):
        read = {_suffix_of(sample, column) for column in columns}
        unread.update(
            suffix for suffix in sample.contents if suffix not in read and (suffix in unread or len(unread) < SHOWN)
        )
        samples += 1
    return Contents(samples, unread, tuple(outside[:SHOWN]), len(outside[SHOWN:]))


def _report_unread(contents: Sequence[Contents]) -> None:
    """Note the files of samples that are not read, by their suffixes, and warn of those that are images."""
    total = sum((Counter(found.unread) for found in contents), Counter[str]())
    for suffix, count in total.items():
        findings().passed_over[f"*.{suffix}"] = f"{count:,} files of samples, of which no column is made"
    images = [suffix for suffix in total if suffix.rpartition(".")[2] in IMAGE_SUFFIXES]
    if images:
        named = ", ".join(f"*.{suffix}" for suffix in images[:FIRST])
        fact = (
            f"{sum(total[suffix] for suffix in images):,} images of samples that have another one are not read: {named}"
        )
        warn(WarningCode.FILES_PASSED_OVER, fact, field="dataset.uri")


def _report_outside(source: Source, found: Contents) -> None:
    others = PassedOver(source.name, "of no sample", may_be_data=lambda name: not _is_meta(name))
    for name in found.outside:
        others.add(name)
    others.more(found.more_outside)
    others.report()


def batches(sources: Sequence[Source], names: Sequence[str], _: DatasetSpec) -> Iterator[pa.RecordBatch]:
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


def _samples(
    source: Source, *, suffixes: Collection[str], pass_over: Callable[[str], object] = lambda _: None
) -> Iterator[Sample]:
    """The archive's samples, with the contents of the files that have one of the suffixes.

    The names of files that belong to none, hidden ones excepted, go to ``pass_over``.
    """
    files_in_order = _sample_files(source, suffixes=suffixes, pass_over=pass_over)
    for key, files in groupby(files_in_order, key=attrgetter("key")):
        contents: dict[str, bytes] = {}
        for file in files:
            if file.suffix in contents:
                fact = f"{source.name} holds {key}.{file.suffix} twice in a sample"
                raise DatasetUnreadable(fact, field="dataset.uri")
            contents[file.suffix] = file.content
        yield Sample(source.name, key, contents)


def _sample_files(
    source: Source, *, suffixes: Collection[str], pass_over: Callable[[str], object]
) -> Iterator[SampleFile]:
    for file in tar.archive_files(source, read_content=lambda name: _suffix(name) in suffixes):
        match = None if _is_meta(file.name) else NAME.fullmatch(file.name)
        if match:
            yield SampleFile(match[1], _suffix(file.name), file.content)
        elif not file.name.rpartition("/")[2].startswith("."):
            pass_over(file.name)


def _is_meta(name: str) -> bool:
    """Whether webdataset's own reader takes the file for a remark on the archive: __index__, __meta__/rows.json."""
    first = name.partition("/")[0]
    return len(first) >= len("____") and first.startswith("__") and first.endswith("__")


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


def _first_image(sources: Sequence[Source]) -> bytes | None:
    samples = _samples(sources[0], suffixes=SUFFIXES["image"])
    return next((_image(sample) for sample in samples), None)


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

WEBDATASET = format_of(
    RowReader(
        files_with(".tar", ".tar.gz", ".tgz"),
        schema_summary,
        batches,
        _first_image,
        rows_by_reading(batches),
        in_parts=True,
    )
)
