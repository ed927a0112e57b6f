"""Files below one root, on a disk or in an object store, behind one set of operations.

A key is a path below the root. Whatever goes wrong is an OSError, which callers translate into their own errors.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
from pyarrow.fs import FileSystem, FileType

from ted_core.storage.object_store import ObjectUri

StorageRoot = Path | ObjectUri
"""A folder on a disk; a bucket, or a folder in one."""


@dataclass(frozen=True)
class FileEntry:
    """A file or folder as it was found: equal to another look at it only while it stays as it is."""

    name: str
    """What the folder calls it, whatever a link leads to; of a file found at any depth, its path inside the folder."""
    kind: FileType = FileType.NotFound
    size: int = 0
    """Bytes."""
    modified: int = 0
    """Nanoseconds since 1970; of objects, whole seconds."""
    is_link: bool = False

    @property
    def exists(self) -> bool:
        return self.kind is not FileType.NotFound

    @property
    def is_folder(self) -> bool:
        return self.kind is FileType.Directory

    @property
    def is_file(self) -> bool:
        return self.kind is FileType.File


class FileStore(ABC):
    """Files and folders below a root."""

    root_type: ClassVar[str]
    """``folder`` or ``bucket``."""
    read_ahead: ClassVar[int]
    """Bytes that are worth a request."""
    readers: ClassVar[int]
    """Files that are worth reading at the same time; a thread that waits for them takes no processor."""
    checks_what_it_sends: ClassVar[bool]
    """Whether the store itself compares a file with a checksum when it is read."""
    pause_seconds: ClassVar[float]
    """How long a sweep rests between one batch of folders and the next."""

    root: StorageRoot

    @abstractmethod
    def path(self, key: str) -> str:
        """What ``filesystem`` calls the file."""

    @property
    def can_presign(self) -> bool:
        """Whether ``presigned_url`` makes URLs."""
        return False

    def presigned_url(self, key: str, *, seconds: int, filename: str) -> str | None:
        """A URL by which anybody may fetch the file for a while under this name; None if there is none."""
        return None

    @abstractmethod
    def stat(self, key: str) -> FileEntry:
        """What lies there; a link is what it leads to."""

    @abstractmethod
    def children(self, key: str) -> Sequence[FileEntry]:
        """Files and folders in the folder, except hidden ones."""

    @abstractmethod
    def tree(self, key: str, suffixes: tuple[str, ...], pass_over: Callable[[str], object]) -> Iterable[FileEntry]:
        """The files with these suffixes at any depth, as they are come across; the names of others go to ``pass_over``.

        Hidden files and folders count as neither.
        """

    @abstractmethod
    def some_names(self, key: str) -> Generator[str, None, None]:
        """Names of files at any depth, hidden ones excepted: as many as are asked for, or as can be had cheaply."""

    @abstractmethod
    def names(self) -> list[str]:
        """The names at the top, hidden ones included; none if the root does not exist yet."""

    @abstractmethod
    def old_keys(self, name: str, *, before: float) -> list[str]:
        """The keys of a folder at the top and of all in it last changed before; what holds others comes first."""

    @property
    @abstractmethod
    def filesystem(self) -> FileSystem:
        """What ``path`` is a path in."""

    def stable_path(self, key: str) -> AbstractContextManager[str]:
        """What ``filesystem`` is to call the file while it is opened."""
        return nullcontext(self.path(key))

    def open(self, key: str) -> pa.NativeFile:
        """The file for random access; every read is a request of its own."""
        with self.stable_path(key) as path:
            return self.filesystem.open_input_file(path)

    def open_in_order(self, key: str) -> RawIOBase | pa.NativeFile:
        """The file to be read once, from its beginning, some bytes at a time: the least that opening one can cost."""
        return self.open(key)

    def stream(self, key: str, compression: str | None = None) -> pa.NativeFile:
        """The file from its beginning, decompressed as it is read."""
        with self.stable_path(key) as path:
            return self.filesystem.open_input_stream(path, compression, self.read_ahead)

    def open_mapped(self, key: str) -> pa.NativeFile:
        """The file for random access; on a disk, mapped into memory."""
        return self.open(key)

    def open_mapped_stream(self, key: str) -> pa.NativeFile:
        """The file from its beginning; on a disk, mapped into memory."""
        return self.stream(key)

    @abstractmethod
    def put(self, source: Path, key: str) -> None:
        """Copy a local file here, durably: after a crash it is whole or absent."""

    def write_marker(self, name: str) -> None:
        """Leave an empty file of this name at the top."""
        self.filesystem.open_output_stream(self.path(name)).close()

    @abstractmethod
    def delete(self, key: str) -> bool:
        """Whether this removed the file or the empty folder. A folder that is not empty stays."""

    @abstractmethod
    def delete_tree(self, key: str) -> None:
        """Remove the file, or the folder with all that is in it, if it is there."""
