"""A dataset's files and folders as they were found, wherever they lie. Formats read these, never paths."""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar, TypeVar

import pyarrow as pa
from pyarrow.fs import FileSystem, FileType

from ted_core.errors import DatasetNotAllowed, DatasetUnreadable, TedError
from ted_core.storage.object_store import ObjectUri, store_error

FIELD = "dataset.uri"
DatasetRoot = Path | ObjectUri
"""A folder that datasets may lie in."""
COMPRESSIONS = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
"""How compressed files begin."""
AT_A_TIME = 256
WorkResult = TypeVar("WorkResult")


@dataclass(frozen=True)
class Source(ABC):
    """A file or folder as it was found: equal to another look at it only while it stays as it is."""

    read_ahead: ClassVar[int]
    """Bytes that are worth a request."""
    readers: ClassVar[int]
    """Files that are worth reading at the same time; a thread that waits for them takes no processor."""

    path: str
    """As the file system names it."""
    name: str
    """What the folder calls it, whatever a link leads to; of a file in ``inside`` its path inside the folder."""
    kind: FileType = FileType.NotFound
    size: int = 0
    """Bytes."""
    modified: int = 0
    """Nanoseconds since 1970; of objects, whole seconds."""
    is_link: bool = False
    """Whether ``path`` leads over a link at its end."""
    inside: "tuple[Source, ...] | None" = None
    """Where the folder is taken as one file: the files in it that matter, in row order."""

    def __str__(self) -> str:
        return self.path

    @property
    def exists(self) -> bool:
        return self.kind is not FileType.NotFound

    @property
    def is_folder(self) -> bool:
        return self.kind is FileType.Directory

    @property
    def is_file(self) -> bool:
        return self.kind is FileType.File

    @property
    def members(self) -> "tuple[Source, ...]":
        """The files that it stands for: itself, or those inside."""
        return (self,) if self.inside is None else self.inside

    # --- what lies around it ------------------------------------------------------------------------------------------

    @abstractmethod
    def confine_to(self, roots: Sequence[DatasetRoot]) -> "Source":
        """The same, once it and what is inside proved to lie under a root. Raises DatasetNotAllowed."""

    @abstractmethod
    def parent(self) -> "Source":
        """The folder that it lies in."""

    @abstractmethod
    def child(self, name: str) -> "Source":
        """What lies under this name in the folder."""

    @abstractmethod
    def children(self) -> "Sequence[Source]":
        """Files and folders in the folder by name, but for hidden ones. Raises DatasetUnreadable."""

    @abstractmethod
    def tree(self, *suffixes: str) -> "Sequence[Source]":
        """The files with these suffixes at any depth, in the bytewise order of their paths inside the folder.

        Hidden files and folders are passed over. Raises DatasetUnreadable.
        """

    # --- its content --------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def filesystem(self) -> FileSystem:
        """What ``path`` is a path in."""

    def open_mapped(self) -> pa.NativeFile:
        """The file for random access; where it lies on a disk, mapped into memory."""
        return self.open()

    def open_mapped_stream(self) -> pa.NativeFile:
        """The file from its beginning; where it lies on a disk, mapped into memory."""
        return self.stream()

    def stable_path(self) -> AbstractContextManager[str]:
        """What the file system is to call the file while it is opened."""
        return nullcontext(self.path)

    def open(self) -> pa.NativeFile:
        """The file for random access; every read is a request of its own."""
        with self.stable_path() as name:
            return self.filesystem.open_input_file(name)

    def open_buffered(self) -> io.BufferedReader:
        """The file for Python's readers, which like small bites."""
        return io.BufferedReader(self.open(), self.read_ahead)

    def stream(self, compression: str | None = None) -> pa.NativeFile:
        """The file from its beginning, decompressed as it is read."""
        with self.stable_path() as name:
            return self.filesystem.open_input_stream(name, compression, self.read_ahead)

    def read_start(self, size: int) -> bytes:
        """The first bytes, or fewer where the file has fewer."""
        with self.open() as file:
            return bytes(file.read(size))

    def compression(self) -> str | None:
        """How the file is compressed, by what it begins with; unlike a suffix, that does not depend on its name."""
        begin = self.read_start(max(map(len, COMPRESSIONS)))
        return next((name for magic, name in COMPRESSIONS.items() if begin.startswith(magic)), None)


def not_allowed_error(source: Source | str) -> DatasetNotAllowed:
    """The error that it lies outside the roots, which says the same whether or not it exists."""
    return DatasetNotAllowed(f"{source} lies outside the allowed folders", field=FIELD)


def unreadable_error(fact: str, error: BaseException, *, field: str = FIELD) -> TedError:
    """The store's own trouble where that is what went wrong, else DatasetUnreadable with the fact."""
    return store_error(error, field=FIELD) or DatasetUnreadable(f"{fact} ({error})", field=field)


def map_concurrently(work: Callable[[Source], WorkResult], sources: Sequence[Source]) -> Iterator[WorkResult]:
    """What the work makes of each source in turn; some are worked on at the same time."""
    if len(sources) <= 1:  # threads would take longer to start than a file to open
        yield from map(work, sources)
        return
    waiting = iter(sources)
    with ThreadPoolExecutor(sources[0].readers) as pool:
        while some := list(islice(waiting, AT_A_TIME)):
            yield from pool.map(work, some)
