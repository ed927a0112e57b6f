"""Whether a file is text that can be read, by what it begins with."""

from collections.abc import Mapping
from contextlib import closing

from ted_core.datasets.formats.text_scan import text_of
from ted_core.datasets.sources.base import COMPRESSIONS, Source
from ted_core.datasets.sources.read_errors import translate_read_errors
from ted_core.errors import DatasetUnreadable

START_BYTES = 512
TAR_MARK, TAR_MARK_AT = b"ustar", 257
UNPACK = "unpack it, or compress it with gzip, bzip2 or zstd"
CONTAINERS: Mapping[bytes, str] = {
    b"PK\x03\x04": f"a ZIP archive, as .zip and .xlsx files are; {UNPACK}",
    b"\xfd7zXZ\0": f"compressed with xz; {UNPACK}",
    b"7z\xbc\xaf\x27\x1c": f"a 7-Zip archive; {UNPACK}",
    b"Rar!\x1a\x07": f"a RAR archive; {UNPACK}",
    b"\x04\x22\x4d\x18": f"compressed with LZ4; {UNPACK}",
    b"\xff\x06\0\0sNaPpY": f"compressed with Snappy; {UNPACK}",
    b"\x1f\x9d": f"compressed with compress; {UNPACK}",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an Excel file; save it as CSV UTF-8",
    b"PAR1": "a Parquet file; dataset.format parquet reads it",
    b"ARROW1": "an Arrow file; dataset.format arrow reads it",
    b"\x93NUMPY": "a NumPy array; numpy.savez writes what dataset.format npz reads",
    b"\x89HDF": "an HDF5 file; write it as Parquet",
    b"SQLite format 3\0": "an SQLite database; write the table as Parquet or CSV",
    b"%PDF-": "a PDF document",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
}
"""How files begin that are no text, and what they are."""
AS_UTF8 = "write it as UTF-8, for example with iconv, or as CSV UTF-8 from Excel"
UTF16_MARKS: Mapping[bytes, str] = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
"""Byte order marks, the longer ones first."""


def refuse_binary(source: Source) -> None:
    """Raise DatasetUnreadable, which says what the file is, if it begins as no text in UTF-8 does."""
    with translate_read_errors(source), closing(text_of(source)) as file:
        start = bytes(file.read(START_BYTES))
    if kind := _kind(start):
        raise DatasetUnreadable(f"{source.name} is {kind}", field="dataset.uri")


def _kind(start: bytes) -> str | None:
    """What the file is if it is no text; None for text."""
    for mark, kind in CONTAINERS.items():
        if start.startswith(mark):
            return kind
    if any(start.startswith(mark) for mark in COMPRESSIONS):
        return "compressed twice; compress it once"
    if start[TAR_MARK_AT:].startswith(TAR_MARK):
        return f"a tar archive; {UNPACK}"
    return _other_encoding(start)


def _other_encoding(start: bytes) -> str | None:
    marked = next((name for mark, name in UTF16_MARKS.items() if start.startswith(mark)), None)
    if marked is None and b"\0" in (start[:1], start[1:2]) and start.strip(b"\0"):
        marked = "UTF-16 without a byte order mark"  # as the first letter is one that ASCII has
    return marked and f"encoded as {marked}; {AS_UTF8}"
