"""The files in a tar archive, one after another; nothing is unpacked to disk."""

import gzip
import io
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ted_core.datasets.file_batches import LARGEST_FILE
from ted_core.datasets.sources.base import Source, unreadable_error

END = bytes(tarfile.BLOCKSIZE)
"""The block of zeros that ends an archive."""
AFTER_THE_END = 16 << 10
"""Bytes that are checked at a time."""
DAMAGE = (tarfile.TarError, zlib.error, struct.error, EOFError, OSError, ValueError, OverflowError, RecursionError)
"""What the libraries raise for a damaged archive."""


class ArchiveFile(NamedTuple):
    """A file in an archive."""

    name: str
    content: bytes
    """Empty if it was not asked for."""


def archive_files(source: Source, *, read_content: Callable[[str], bool]) -> Iterator[ArchiveFile]:
    """Yield the archive's regular files in order, with the content of those for whose names ``read_content`` is true.

    In constant memory. Raises DatasetUnreadable for an archive that is damaged, continues after its end, or holds a
    file of more than 256 MiB.
    """
    last_read = "its beginning"
    try:
        with _opened(source) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            for header in iter(archive.next, None):
                archive.members.clear()  # type: ignore[attr-defined] # would come to hold every header
                last_read = ascii(header.name)
                _check(header)
                if header.isreg():
                    yield ArchiveFile(header.name, _content(archive, header) if read_content(header.name) else b"")
            stream.check_end()
    except DAMAGE as error:
        raise unreadable_error(f"{source.name} cannot be read after {last_read}", error) from error


def _check(header: tarfile.TarInfo) -> None:
    header.name.encode()
    if header.size > LARGEST_FILE:
        raise tarfile.ReadError(f"it declares {header.size:,} bytes, more than {LARGEST_FILE:,}")


def _content(archive: tarfile.TarFile, header: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(header)
    return file.read() if file else b""


@contextmanager
def _opened(source: Source) -> "Iterator[_Stream]":
    compressed = source.compression() == "gzip"
    with source.open_buffered() if compressed else source.open() as file:
        yield _Stream(gzip.GzipFile(fileobj=file) if compressed else file, source.read_ahead)


class _Stream(io.BufferedReader):
    """An archive's bytes, as tarfile asks for them."""

    last = b""
    """What was read last."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes. Raises ReadError if a damaged header makes tarfile ask for too many at once."""
        if size is not None and size > LARGEST_FILE:
            raise tarfile.ReadError(f"a header declares {size:,} bytes")
        self.last = super().read(size)
        return self.last

    def check_end(self) -> None:
        """Raise ReadError unless tarfile has reached the archive's end; it also stops at a damaged header."""
        if self.last != END:
            raise tarfile.ReadError("the next header is damaged, or the archive was cut short")
        while rest := self.read(AFTER_THE_END):
            if rest.strip(b"\0"):
                raise tarfile.ReadError("more follows the archive's end; were two archives joined?")
