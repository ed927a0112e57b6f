"""Files and folders on this machine's disks."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
from pyarrow.fs import FileSystem, FileType, LocalFileSystem

from ted_core.datasets.sources.base import FIELD, DatasetRoot, Source, not_allowed_error
from ted_core.errors import DatasetNotAllowed, DatasetUnreadable

DISK = LocalFileSystem()
FOLDER = os.O_DIRECTORY | getattr(os, "O_PATH", os.O_RDONLY)
KINDS = {stat.S_IFREG: FileType.File, stat.S_IFDIR: FileType.Directory}


def resolve_under_roots(path: Path, *, roots: Sequence[DatasetRoot]) -> Path:
    """The path with symbolic links resolved, once it proved to lie under a root. Raises DatasetNotAllowed."""
    try:
        resolved = path.resolve()
    except (RuntimeError, ValueError) as error:  # links in a loop, characters that no file system knows
        raise DatasetNotAllowed(f"{str(path)!r} cannot be followed ({error})", field=FIELD) from error
    if not any(resolved.is_relative_to(root.resolve()) for root in roots if isinstance(root, Path)):
        raise not_allowed_error(str(path))
    return resolved


@dataclass(frozen=True)
class DiskSource(Source):
    """A file or folder on a disk."""

    read_ahead: ClassVar[int] = 16 << 10  # with many more, what nobody wants of an archive is read instead of skipped
    readers: ClassVar[int] = 8

    @classmethod
    def at(cls, path: Path, *, name: str | None = None) -> "DiskSource":
        """What lies there; a link is what it leads to."""
        try:
            return cls._with(path.stat(), str(path), name or path.name, is_link=path.is_symlink())
        except (OSError, ValueError):  # not there, no name that a file can have, a folder closed to this process
            return cls(str(path), name or path.name)

    @classmethod
    def _with(cls, found: os.stat_result, path: str, name: str, *, is_link: bool) -> "DiskSource":
        kind = KINDS.get(stat.S_IFMT(found.st_mode), FileType.Unknown)
        return cls(path, name, kind, found.st_size, found.st_mtime_ns, is_link=is_link)

    def confine_to(self, roots: Sequence[DatasetRoot]) -> "DiskSource":
        """As in ``Source``; ``path`` no longer leads over links, ``name`` is what it was.

        Raises DatasetUnreadable too, for a name that is not UTF-8.
        """
        _refuse_bytes(self.path)
        proved = self.at(resolve_under_roots(Path(self.path), roots=roots), name=self.name)
        _refuse_bytes(proved.path)
        if self.inside is None:
            return proved
        return replace(proved, inside=tuple(file.confine_to(roots) if file.is_link else file for file in self.inside))

    def parent(self) -> "DiskSource":
        return self.at(Path(self.path).parent)

    def child(self, name: str) -> "DiskSource":
        return self.at(Path(self.path, name))

    def children(self) -> list["DiskSource"]:
        try:
            found = [self._entry(entry, entry.name) for entry in _visible(self.path)]
        except OSError as error:
            raise DatasetUnreadable(f"{self.path} cannot be listed ({error.strerror})", field=FIELD) from error
        return sorted(found, key=lambda source: source.name)

    def tree(self, *suffixes: str) -> list["DiskSource"]:
        """As in ``Source``. A link to a folder is refused: it could lead anywhere, or back to where it lies."""
        try:
            return sorted(self._walk(suffixes), key=lambda source: source.name.encode())
        except OSError as error:
            raise DatasetUnreadable(f"{error.filename!a} cannot be listed ({error.strerror})", field=FIELD) from error
        except UnicodeEncodeError as error:
            raise _no_text(error) from error

    def _walk(self, suffixes: tuple[str, ...]) -> Iterator["DiskSource"]:
        pending = [""]
        while pending:
            folder = pending.pop()
            for entry in _visible(f"{self.path}/{folder}"):
                if entry.is_dir():
                    _refuse_link(entry)
                    pending.append(f"{folder}{entry.name}/")
                elif entry.name.lower().endswith(suffixes):
                    yield self._entry(entry, folder + entry.name)

    @classmethod
    def _entry(cls, entry: os.DirEntry[str], name: str) -> "DiskSource":
        try:
            return cls._with(entry.stat(), entry.path, name, is_link=entry.is_symlink())
        except OSError:  # a link to nowhere, or just removed
            return cls(entry.path, name)

    @property
    def filesystem(self) -> FileSystem:
        return DISK

    def stable_path(self) -> AbstractContextManager[str]:
        return _pinned(self.path)

    def open_mapped(self) -> pa.NativeFile:
        with self.stable_path() as name:
            return pa.memory_map(name)

    def open_mapped_stream(self) -> pa.NativeFile:
        return self.open_mapped()


@contextmanager
def _pinned(path: str) -> Iterator[str]:
    """A name for the file at this path that stays its name, whatever is put in the place of its folders meanwhile.

    Every part is entered from the one before and none of them may be a link: what proved to lie under a root lies there
    still. Raises OSError.
    """
    *folders, file = Path(path).parts
    with ExitStack() as stack:
        place = None
        for folder in folders:
            place = _entered(folder, FOLDER, place, stack)
        opened = _entered(file, os.O_RDONLY | os.O_NONBLOCK, place, stack)
        if not stat.S_ISREG(os.fstat(opened).st_mode):  # a pipe may never end
            raise OSError(errno.EINVAL, "no regular file", path)
        yield f"/dev/fd/{opened}"


def _entered(part: str, flags: int, place: int | None, stack: ExitStack) -> int:
    opened = os.open(part, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
    stack.callback(os.close, opened)
    return opened


def _refuse_bytes(path: str) -> None:
    """Raise DatasetUnreadable for bytes that are not UTF-8: Arrow cannot open them, JSON cannot say them."""
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise _no_text(error) from error


def _no_text(error: UnicodeEncodeError) -> DatasetUnreadable:
    return DatasetUnreadable(f"{error.object!a} is no name in UTF-8; rename it", field=FIELD)


def _visible(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".")]


def _refuse_link(folder: os.DirEntry[str]) -> None:
    if folder.is_symlink():
        fact = f"{folder.path!a} is a link to a folder; put a folder there, whose files may be links"
        raise DatasetUnreadable(fact, field=FIELD)
