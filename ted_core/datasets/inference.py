"""The format of a dataset whose request names none, by the names of its files and by how they begin.

Bytes with which only one format begins outweigh any name; what a text looks like counts only where its name tells
nothing. The same bytes tell a request that names another format which one it is.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from pyarrow import ArrowException

from ted_core.datasets.formats.image_folder import SUFFIXES as IMAGE_SUFFIXES
from ted_core.datasets.formats.text_scan import BYTE_ORDER_MARK
from ted_core.datasets.sources.base import COMPRESSIONS, Source, uncompressed_name
from ted_core.datasets.sources.passed_over import is_companion
from ted_core.datasets.sources.shards import matches, subfolders
from ted_core.datasets.spec import FORMATS, DatasetSpec
from ted_core.errors import DatasetUnreadable

BY_SUFFIX = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".tar": "webdataset",
    ".tgz": "webdataset",
    ".npz": "npz",
    **dict.fromkeys(IMAGE_SUFFIXES, "image-folder"),
}
FOLDERS = {"state.json": "hf", "dataset_dict.json": "hf"}
"""Files that only one format's folders hold."""
IDX_MARKS = ("idx3", "idx1")
TEXTUAL = frozenset({"csv", "tsv", "jsonl", "json"})
"""Formats that hold no images, though they may list those of a folder."""
FIELD = "dataset.format"
START_BYTES = 1024
SAMPLED_NAMES = 2000
"""How many names of files below a folder are looked at if it holds none itself."""
MOST_UNNAMED = 3
"""How many files whose names tell nothing are looked into."""


class FileStart(NamedTuple):
    """What a file is by its first bytes."""

    description: str
    format: str | None
    """How a request names it; None for what this service does not read as it is."""
    is_text: bool = False
    """Whether others may look alike."""


PARQUET, ARROW = FileStart("a Parquet file", "parquet"), FileStart("an Arrow file", "arrow")
ARROW_STREAM, TAR = FileStart("an Arrow stream", "arrow"), FileStart("a tar archive", "webdataset")
NPZ, IDX = FileStart("a NumPy archive", "npz"), FileStart("an IDX file", "idx")
LINES, ARRAY = FileStart("JSON Lines", "jsonl", is_text=True), FileStart("a JSON array", "json", is_text=True)
TABLES = {
    b"\t": FileStart("text separated by tabs", "tsv", is_text=True),
    b",": FileStart("text separated by commas", "csv", is_text=True),
}
"""What separates values; commas are common in texts that tabs separate."""
MAGIC: Sequence[tuple[int, bytes, FileStart]] = (
    (0, b"PAR1", PARQUET),
    (0, b"PARE", PARQUET),
    (0, b"ARROW1", ARROW),
    (257, b"ustar", TAR),
    (0, b"PK\x03\x04", FileStart("a ZIP archive; unpack it", None)),
    (0, b"PK\x05\x06", FileStart("a ZIP archive; unpack it", None)),
    (0, b"\xfd7zXZ\0", FileStart("compressed with xz; use gzip, bzip2 or zstd", None)),
    (0, b"7z\xbc\xaf\x27\x1c", FileStart("a 7z archive; unpack it", None)),
    (0, b"Rar!\x1a\x07", FileStart("a RAR archive; unpack it", None)),
    (0, b"\x04\x22\x4d\x18", FileStart("compressed with LZ4; use gzip, bzip2 or zstd", None)),
    *((0, magic, FileStart("compressed twice; decompress it once", None)) for magic in COMPRESSIONS),
    (0, b"\x89HDF\r\n", FileStart("an HDF5 file; write its arrays as .npz", None)),
    (0, b"FEA1", FileStart("a Feather file of version 1; write version 2", None)),
    (0, b"\x93NUMPY", FileStart("a single array; write inputs and labels together as .npz", None)),
    (0, b"SQLite format 3\0", FileStart("an SQLite database; export the table", None)),
    (0, b"\xff\xd8\xff", FileStart("a single image; name the folder of all classes", "image-folder")),
    (0, b"\x89PNG\r\n", FileStart("a single image; name the folder of all classes", "image-folder")),
)
"""Where which bytes stand, and what such a file is."""
ALIKE = {"hf": {"arrow"}, "tsv": {"csv", "tsv"}, "json": {"json", "jsonl"}}
"""Formats whose files may begin like those of others."""
DESCRIPTIONS = {
    "parquet": "a Parquet file",
    "arrow": "an Arrow file",
    "hf": "an Arrow file",
    "jsonl": "JSON Lines",
    "json": "a JSON document",
    "csv": "a table in text",
    "tsv": "a table in text",
    "webdataset": "a tar archive",
    "npz": "an .npz archive",
}
"""What files of a format are. Of the others, which take folders, no file is looked into."""


def infer_format(source: Source, spec: DatasetSpec) -> str:
    """Return the format of a file, of a folder's files or of those that a pattern describes.

    Raises DatasetUnreadable if they show none or, where each of them could be meant, several; DatasetNotFound.
    """
    if source.is_folder:
        return _of_folder(source, spec)
    return _of_file(source) if source.exists else _of_files(matches(source), source)


def _of_file(file: Source) -> str:
    content, named = start_of(file), _by_name(file.name)
    if content and content.format is None:
        raise DatasetUnreadable(f"{file.name} is {content.description}", field=FIELD)
    if _is_json(file.name) and (content is None or content.is_text):
        return "jsonl" if content is LINES else "json"
    if found := _told_by(content, named):
        return found
    raise _unknown(file)


def _is_json(name: str) -> bool:
    return _suffix(name) == ".json"


def _told_by(content: FileStart | None, named: str | None) -> str | None:
    found = content.format if content else None
    return named or found if content is None or content.is_text else found


def _unknown(source: Source) -> DatasetUnreadable:
    fact = f"Neither names nor first bytes of {source} tell its format; set dataset.format to one of {_names(FORMATS)}"
    return DatasetUnreadable(fact, field=FIELD)


def _names(formats: Iterable[str]) -> str:
    return ", ".join(formats)


# --- several files ----------------------------------------------------------------------------------------------------


def _of_folder(folder: Source, spec: DatasetSpec) -> str:
    children = folder.children()
    names = [child.name for child in children]
    if marked := next((FOLDERS[name] for name in names if name in FOLDERS), None):
        return marked
    if all(any(mark in name for name in names) for mark in IDX_MARKS):
        return "idx"
    files = [child for child in children if not child.is_folder]
    found = _counts(file.name for file in files)
    if not found or set(found) <= TEXTUAL:  # tables in text may list the images that lie in folders
        below = _counts(folder.some_names(SAMPLED_NAMES)) if subfolders(folder) else Counter[str]()
        found += below if not found else Counter({name: below[name] for name in below if name == "image-folder"})
    return _only(found, folder, spec) or _of_unnamed(files, folder)


def _of_files(files: Sequence[Source], pattern: Source) -> str:
    found = _counts(file.name for file in files)
    return _only(found, pattern, None) or _of_unnamed(files, pattern)


def _counts(names: Iterable[str]) -> Counter[str]:
    """How many files of each format there are. A list of files in a text counts only if there is nothing else."""
    return Counter(found for name in names if not is_companion(name) and (found := _by_name(name)))


def _only(found: Counter[str], source: Source, spec: DatasetSpec | None) -> str | None:
    """The one format; None if there is none. Raises DatasetUnreadable for several."""
    usable = Counter({name: count for name, count in found.items() if spec is None or _suits(name, spec)}) or found
    if len(usable) > 1:
        counts = ", ".join(f"{name} ({count:,})" for name, count in usable.most_common())
        fact = f"{source} holds files of several formats: {counts}; set dataset.format to the one that is meant"
        raise DatasetUnreadable(fact, field=FIELD)
    return next(iter(usable), None)


def _suits(name: str, spec: DatasetSpec) -> bool:
    """Whether the task can use such files: images are none of a text's values, and there is no other use for them."""
    return name not in (TEXTUAL if spec.base_task == "image-classification" else {"image-folder"})


def _of_unnamed(files: Sequence[Source], source: Source) -> str:
    """What the first files begin like, whose names tell nothing."""
    unnamed = [file for file in files if file.is_file and not is_companion(file.name)]
    found = (start_of(file) for file in unnamed[:MOST_UNNAMED])
    told = next((content.format for content in found if content and content.format), None)
    if told is None:
        raise _unknown(source) if unnamed else _empty(source)
    return told


def _empty(source: Source) -> DatasetUnreadable:
    return DatasetUnreadable(f"{source} holds no file that can be read as {_names(FORMATS)}", field="dataset.uri")


def _by_name(name: str) -> str | None:
    return BY_SUFFIX.get(_suffix(name))


def _suffix(name: str) -> str:
    _, dot, suffix = uncompressed_name(name.lower()).rpartition(".")
    return dot + suffix


# --- first bytes ------------------------------------------------------------------------------------------------------


def refuse_other_format(file: Source, named: str) -> None:
    """Raise DatasetUnreadable, which names the right format, if the file begins like another one than is named."""
    if named not in DESCRIPTIONS or not file.is_file:
        return
    content = start_of(file)
    if content and content.format not in ALIKE.get(named, {named}) and not _may_be(content, named):
        remedy = f"; set dataset.format to {content.format}" if content.format else ""
        fact = f"{file.name} is not {DESCRIPTIONS[named]} but {content.description}{remedy}"
        raise DatasetUnreadable(fact, field=FIELD)


def _may_be(content: FileStart, named: str) -> bool:
    """Whether a text may be what is named though it looks like another one: names of a table's columns hold commas.

    Or it is in a format that there is not here, so that the reader of the one that is named says best what is wrong.
    """
    return content.is_text and (content.format not in FORMATS or (content in TABLES.values() and named in TEXTUAL))


def start_of(file: Source) -> FileStart | None:
    """Return what the file is by its first bytes, decompressed; None if they tell nothing, or cannot be read."""
    try:
        with file.stream(file.compression()) as stream:
            start = bytes(stream.read(START_BYTES))
    except (OSError, ArrowException, EOFError):
        return None
    return next((content for tell in TELLS if (content := tell(start))), None)


def _by_magic(start: bytes) -> FileStart | None:
    content = next((content for at, magic, content in MAGIC if start.startswith(magic, at)), None)
    return NPZ if content and start.startswith(b"PK\x03\x04") and b".npy" in start[30:] else content


def _by_stream(start: bytes) -> FileStart | None:
    """An Arrow stream: the marker of a message, its length, and then a table of FlatBuffers, which begins near."""
    length, root = (int.from_bytes(start[at : at + 4], "little") for at in (4, 8))
    is_stream = start.startswith(b"\xff\xff\xff\xff") and 0 < root < length < 1 << 24
    return ARROW_STREAM if is_stream else None


def _by_idx(start: bytes) -> FileStart | None:
    is_idx = start[:2] == b"\0\0" and start[2:3] in b"\x08\x09\x0b\x0c\x0d" and start[3:4] in b"\1\2\3\4"
    return IDX if is_idx and len(start) > 4 + 4 * start[3] else None


def _by_text(start: bytes) -> FileStart | None:
    """JSON by its first bracket, or a table by what separates values; nothing but text may follow."""
    text = start.removeprefix(BYTE_ORDER_MARK).lstrip()
    if b"\0" in text or not _is_utf_8(text):
        return None
    line = text.partition(b"\n")[0]
    if text.startswith(b"{") and text[1:].lstrip()[:1] in (b'"', b"}"):
        return LINES
    if text.startswith(b"[") and text[1:].lstrip()[:1] == b"{":
        return ARRAY
    return next((table for separator, table in TABLES.items() if separator in line), None)


def _is_utf_8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return error.start > len(text) - 4  # a character cut in two
    return True


TELLS: Sequence[Callable[[bytes], FileStart | None]] = (_by_magic, _by_stream, _by_idx, _by_text)
