"""A folder on one of this machine's disks."""

import errno
import os
import shutil
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO, RawIOBase
from pathlib import Path

import pyarrow as pa
from pyarrow.fs import FileSystem, FileType, LocalFileSystem

from ted_core.storage.file_store import FileEntry, FileStore

DISK = LocalFileSystem()
FOLDER = os.O_DIRECTORY | getattr(os, "O_PATH", os.O_RDONLY)
STAY = os.O_NOFOLLOW | os.O_CLOEXEC
LINKED_FOLDER = "it is a link to a folder; put a folder there, whose files may be links"
EVERYBODY, READ_AND_WRITE = 0o777, 0o666
ABSENCE_ERRNOS = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
KINDS = {stat.S_IFREG: FileType.File, stat.S_IFDIR: FileType.Directory}


@dataclass(frozen=True)
class LocalFileStore(FileStore):
    """The files below a folder. None is opened over a link, except one that the root's own name leads over."""

    root_type = "folder"
    read_ahead = 16 << 10  # with many more, what nobody wants of an archive is read instead of skipped
    readers = 8
    checks_what_it_sends = False
    pause_seconds = 10.0

    root: Path

    def path(self, key: str) -> str:
        return os.path.join(self.root, key)  # noqa: PTH118 - a path object for each of many files takes its time

    def stat(self, key: str) -> FileEntry:
        """As in ``FileStore``. Raises OSError for what may be there, but cannot be looked at."""
        path = self.root / key
        try:
            return _entry(path.name, path.stat(), is_link=path.is_symlink())
        except (OSError, ValueError) as error:
            return _absent(path.name, error)

    def children(self, key: str) -> list[FileEntry]:
        return [_entry_of(entry, entry.name) for entry in _visible(self.path(key))]

    def tree(self, key: str, suffixes: tuple[str, ...], pass_over: Callable[[str], object]) -> Iterator[FileEntry]:
        """As in ``FileStore``. A link to a folder is refused: it could lead anywhere, or back to where it lies."""
        for name, entry in _walk(self.path(key), on_linked_folder=_refuse_linked):
            if name.lower().endswith(suffixes):
                yield _entry_of(entry, name)
            else:
                pass_over(name)

    def some_names(self, key: str) -> Generator[str, None, None]:
        """As in ``FileStore``; in the order of the disk, as far as it is walked through."""
        return (name for name, _ in _walk(self.path(key), on_linked_folder=_leave_out))

    def names(self) -> list[str]:
        return [path.name for path in self.root.iterdir()] if self.root.is_dir() else []

    def old_keys(self, name: str, *, before: float) -> list[str]:
        paths = []
        for folder, _, files in os.walk(self.root / name):
            for path in (Path(folder), *(Path(folder, file) for file in files)):
                with suppress(FileNotFoundError):  # somebody else was faster
                    paths += [path] if path.lstat().st_mtime <= before else []
        return [path.relative_to(self.root).as_posix() for path in paths]

    @property
    def filesystem(self) -> FileSystem:
        return DISK

    @contextmanager
    def stable_path(self, key: str) -> Iterator[str]:
        """A name for the file that stays its name, whatever is put in the place of its folders meanwhile."""
        descriptor = self._descriptor(key)
        try:
            yield f"/dev/fd/{descriptor}"
        finally:
            os.close(descriptor)

    def open_in_order(self, key: str) -> RawIOBase:
        return FileIO(self._descriptor(key), "rb")

    def _descriptor(self, key: str) -> int:
        """The file, opened. Every part is entered from the one before and none of them may be a link: what proved to
        lie under a root lies there still.
        """
        folder = os.open(self.root, FOLDER | os.O_CLOEXEC)
        *folders, file = key.split("/") if key else (".",)
        try:
            for name in folders:
                outer, folder = folder, os.open(name, FOLDER | STAY, dir_fd=folder)
                os.close(outer)
            return _regular(os.open(file, os.O_RDONLY | os.O_NONBLOCK | STAY, dir_fd=folder), self.path(key))
        finally:
            os.close(folder)

    def open_mapped(self, key: str) -> pa.NativeFile:
        with self.stable_path(key) as path:
            return pa.memory_map(path)

    def open_mapped_stream(self, key: str) -> pa.NativeFile:
        return self.open_mapped(key)

    def put(self, source: Path, key: str) -> None:
        """Copy under a temporary name, flush, rename, flush the folder.

        Whoever may read (write) the root may read (write) the file, whatever this process's umask. What did not fit
        does not stay, or it would leave no room for what follows.
        """
        destination = self.root / key
        self._make_folder(destination.parent)
        partial = destination.with_name(destination.name + ".partial")
        try:
            shutil.copyfile(source, partial)
            _set_mode(partial, self._permissions() & READ_AND_WRITE)
            _fsync(partial)
            partial.replace(destination)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        _fsync(destination.parent)

    def _make_folder(self, folder: Path) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        for path in (*reversed(folder.parents), folder):
            if path.is_relative_to(self.root) and not path.exists():
                with suppress(FileExistsError):
                    path.mkdir()
                    _set_mode(path, path.stat().st_mode | self._permissions())

    def _permissions(self) -> int:
        return self.root.stat().st_mode & EVERYBODY

    def delete(self, key: str) -> bool:
        path = self.root / key
        with suppress(OSError):  # somebody else was faster, or the folder is not empty
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
            return True
        return False

    def delete_tree(self, key: str) -> None:
        """As in ``FileStore``. What will not go is left to the sweeper."""
        path = self.root / key
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _set_mode(path: Path, mode: int) -> None:
    with suppress(PermissionError):  # a share or a USB disk, where the mount decides who may do what
        path.chmod(mode)


def _entry(name: str, status: os.stat_result, *, is_link: bool) -> FileEntry:
    kind = KINDS.get(stat.S_IFMT(status.st_mode), FileType.Unknown)
    return FileEntry(name, kind, status.st_size, status.st_mtime_ns, is_link=is_link)


def _entry_of(entry: os.DirEntry[str], name: str) -> FileEntry:
    try:
        return _entry(name, entry.stat(), is_link=entry.is_symlink())
    except OSError as error:  # a link to nowhere, or just removed
        return _absent(name, error)


def _absent(name: str, error: OSError | ValueError) -> FileEntry:
    """Return the entry of what does not exist; a name that no file can have is a ValueError. Raise any other error."""
    if isinstance(error, OSError) and error.errno not in ABSENCE_ERRNOS:
        raise error
    return FileEntry(name)


def _visible(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.name.startswith("."))


def _walk(top: str, *, on_linked_folder: Callable[[os.DirEntry[str]], None]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The path inside of each file at any depth, and what the disk says of it."""
    pending = [""]
    while pending:
        folder = pending.pop()
        for entry in _visible(f"{top}/{folder}"):
            if not entry.is_dir():
                yield folder + entry.name, entry
            elif entry.is_symlink():
                on_linked_folder(entry)
            else:
                pending.append(f"{folder}{entry.name}/")


def _refuse_linked(folder: os.DirEntry[str]) -> None:
    raise OSError(errno.ELOOP, LINKED_FOLDER, folder.path)


def _leave_out(_: os.DirEntry[str]) -> None:
    """It leads anywhere, or back to where it lies."""


def _regular(descriptor: int, path: str) -> int:
    """The same, if it is a file's: a pipe may never end. Raise OSError, and close it, if it is not."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "no regular file", path)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
