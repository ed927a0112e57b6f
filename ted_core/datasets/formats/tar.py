"""The files in a tar archive, one after another; nothing is unpacked to disk."""

import gzip
import io
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ted_core.datasets.budget import current_budget, within_budget
from ted_core.datasets.file_batches import LARGEST_FILE
from ted_core.datasets.sources.base import Source, unreadable_error

END = bytes(tarfile.BLOCKSIZE)
"""The block of zeros that ends an archive."""
AFTER_THE_END = 16 << 10
"""Bytes that are checked at a time."""
LONGEST_HEADER = 8 << 10
"""Bytes of all that precedes a file's content; tarfile's time and memory grow with their square."""
LONGEST_NUMBER = 255
"""Digits; tarfile's regular expressions start anew at each of them."""
ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
DAMAGE = (tarfile.TarError, zlib.error, struct.error, EOFError, OSError, ValueError, OverflowError, RecursionError)
"""What the libraries raise for a damaged archive."""


class ArchiveFile(NamedTuple):
    """A file in an archive."""

    name: str
    content: bytes
    """Empty if it was not asked for."""


def archive_files(source: Source, *, read_content: Callable[[str], bool]) -> Iterator[ArchiveFile]:
    """Yield the archive's regular files in order, with the content of those for whose names ``read_content`` is true.

    In constant memory, as far as the inspection's budget goes. Raises DatasetUnreadable for an archive that is damaged,
    continues after its end, or holds a sparse file or one of more than 256 MiB.
    """
    last_read = "its beginning"
    try:
        with _opened(source) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            for header in within_budget(iter(archive.next, None)):
                archive.members.clear()  # type: ignore[attr-defined] # would come to hold every header
                stream.header_bytes = 0
                last_read = ascii(header.name)
                _check(header)
                if header.isreg():
                    yield ArchiveFile(header.name, stream.content(header) if read_content(header.name) else b"")
            if current_budget().counted:
                stream.check_end()
    except DAMAGE as error:
        raise unreadable_error(f"{source.name} cannot be read after {last_read}", error) from error


def _check(header: tarfile.TarInfo) -> None:
    header.name.encode()
    if not 0 <= header.size <= LARGEST_FILE:  # a negative one leads back to where the archive began
        raise tarfile.ReadError(f"it declares {header.size:,} bytes, more than {LARGEST_FILE:,}")
    if header.issparse():
        raise tarfile.ReadError("it is sparse, and may claim to hold more than was ever written")


@contextmanager
def _opened(source: Source) -> "Iterator[_Stream]":
    compressed = source.compression() == "gzip"
    with source.open_buffered() if compressed else source.open() as file:
        yield _Stream(gzip.GzipFile(fileobj=file) if compressed else file, source.read_ahead)


class _Stream(io.BufferedReader):
    """An archive's bytes, as tarfile asks for them."""

    last = b""
    """What was read last."""
    header_bytes = 0
    """How many have been read since the last file's header ended."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes of a header. Raises ReadError for more than a header has."""
        size = -1 if size is None else size
        if not 0 <= size <= LONGEST_HEADER:
            raise tarfile.ReadError(f"a header declares {size:,} bytes")
        self.header_bytes += size
        if self.header_bytes > LONGEST_HEADER:
            raise tarfile.ReadError(f"a header has more than {LONGEST_HEADER:,} bytes")
        self.last = super().read(size)
        if b"0" * (LONGEST_NUMBER + 1) in self.last.translate(ZEROS):
            raise tarfile.ReadError(f"a header holds a number of more than {LONGEST_NUMBER} digits")
        return self.last

    def content(self, header: tarfile.TarInfo) -> bytes:
        """Return the content of the file with this header. Raises ReadError if it is cut short."""
        self.seek(header.offset_data)
        content = super().read(header.size)
        if len(content) < header.size:
            raise tarfile.ReadError("unexpected end of data")
        return content

    def check_end(self) -> None:
        """Raise ReadError unless tarfile has reached the archive's end; it also stops at a damaged header."""
        if self.last != END:
            raise tarfile.ReadError("the next header is damaged, or the archive was cut short")
        read = super().read
        for rest in within_budget(iter(lambda: read(AFTER_THE_END), b"")):
            if rest.strip(b"\0"):
                raise tarfile.ReadError("more follows the archive's end; were two archives joined?")
