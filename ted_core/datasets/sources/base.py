"""A dataset's files and folders as they were found, wherever they lie. Formats read these, never paths."""

import io
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any, TypeVar, cast, overload

import pyarrow as pa
from pyarrow.fs import FileType

from ted_core.datasets.budget import within_listing_budget
from ted_core.errors import DatasetNotAllowed, DatasetUnreadable, TedError
from ted_core.storage.file_store import FileEntry, FileStore, StorageRoot
from ted_core.storage.object_store import store_error
from ted_core.storage.roots import file_store, is_under_root, root_containing

FIELD = "dataset.uri"
COMPRESSIONS = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
"""How compressed files begin."""
COMPRESSED_SUFFIXES = (".gz", ".bz2", ".zst")
"""How their names end."""
AT_A_TIME = 256
TURNS = 4
"""How often each thread takes some of them, lest one wait for another that has got larger files."""
WorkResult = TypeVar("WorkResult")
Location = TypeVar("Location", bound=StorageRoot)


@dataclass(frozen=True, kw_only=True)
class Source(FileEntry):
    """A dataset's file or folder as it was found."""

    store: FileStore
    """The disk or bucket that it lies in."""
    key: str
    """What the store calls it."""
    inside: "Sequence[Source] | None" = None
    """If the folder is taken as one file: the files in it that matter, in row order."""

    @classmethod
    def at(cls, location: StorageRoot) -> "Source":
        """What lies there; a link is what it leads to. Raises StoreRefused, StoreUnavailable."""
        store, key = file_store(root_containing(location)), "/".join(location.parts[1:])
        with translate_store_errors(location, "cannot be looked at"):
            return cls._of(store.stat(key), store, key)

    @classmethod
    def _of(cls, entry: FileEntry, store: FileStore, key: str) -> "Source":
        return cls(entry.name, entry.kind, entry.size, entry.modified, entry.is_link, store=store, key=key)

    def __str__(self) -> str:
        return str(self.location)

    @property
    def path(self) -> str:
        """As the file system names it."""
        return self.store.path(self.key)

    @property
    def location(self) -> StorageRoot:
        """Where it lies, links at its end included."""
        return self.store.root / self.key

    @property
    def members(self) -> "Sequence[Source]":
        """The files that it stands for: itself, or those inside."""
        return (self,) if self.inside is None else self.inside

    # --- what lies around it ------------------------------------------------------------------------------------------

    def confine_to(self, roots: Sequence[StorageRoot]) -> "Source":
        """The same, once it and what is inside proved to lie under a root; its path no longer leads over links.

        Raises DatasetNotAllowed; DatasetUnreadable for a name that is not UTF-8.
        """
        _refuse_bytes(self.path)
        location = self.location
        resolved = resolve_under_roots(location, roots=roots)
        _refuse_bytes(str(resolved))
        inside = self.inside
        if inside and any(file.is_link for file in inside):
            inside = tuple(file.confine_to(roots) if file.is_link else file for file in inside)
        return replace(self if resolved == location else self.at(resolved), name=self.name, inside=inside)

    def parent(self) -> "Source":
        """The folder that it lies in."""
        return self._parent

    @cached_property
    def _parent(self) -> "Source":
        return self.at(self.location.parent)

    def child(self, name: str) -> "Source":
        """What lies under this name in the folder. Raises DatasetNotAllowed."""
        try:
            return self.at(self.location / name)
        except ValueError as error:
            raise DatasetNotAllowed(f"{name!r} in {self} cannot be followed ({error})", field=FIELD) from error

    def children(self) -> "tuple[Source, ...]":
        """Files and folders in the folder by name, except hidden ones: listed once. Raises DatasetUnreadable."""
        return self._children

    @cached_property
    def _children(self) -> "tuple[Source, ...]":
        with translate_store_errors(self, "cannot be listed"):
            entries = self.store.children(self.key)
        return tuple(self._inner(entry) for entry in sorted(entries, key=lambda entry: entry.name))

    def tree(self, *suffixes: str, order: Callable[[str], Any], pass_over: Callable[[str], object]) -> "FolderFiles":
        """The files with these suffixes at any depth, ordered by their paths inside the folder.

        The paths of other files go to ``pass_over``; hidden ones, and those in hidden folders, count as neither. Only
        some of them if the inspection's budget does not suffice. Raises DatasetUnreadable.
        """
        with translate_store_errors(self, "cannot be listed"):
            files = FolderFiles.of(self, within_listing_budget(self.store.tree(self.key, suffixes, pass_over)))
        for name in files.names:
            _refuse_bytes(name)
        return files.taken(sorted(range(len(files)), key=lambda row: order(files.names[row])))

    def some_names(self, count: int) -> list[str]:
        """Return paths of at most so many of the folder's files, at any depth. Raises DatasetUnreadable."""
        with translate_store_errors(self, "cannot be listed"), closing(self.store.some_names(self.key)) as names:
            return list(islice(names, count))

    def _inner(self, entry: FileEntry) -> "Source":
        return self._of(entry, self.store, f"{self.key}/{entry.name}" if self.key else entry.name)

    # --- its content --------------------------------------------------------------------------------------------------

    @property
    def read_ahead(self) -> int:
        """Bytes that are worth a request."""
        return self.store.read_ahead

    def open(self) -> pa.NativeFile:
        """The file for random access; every read is a request of its own."""
        return self.store.open(self.key)

    def open_mapped(self) -> pa.NativeFile:
        """The file for random access; on a disk, mapped into memory."""
        return self.store.open_mapped(self.key)

    def open_mapped_stream(self) -> pa.NativeFile:
        """The file from its beginning; on a disk, mapped into memory."""
        return self.store.open_mapped_stream(self.key)

    def open_in_order(self) -> io.RawIOBase | pa.NativeFile:
        """The file to be read once, from its beginning, some bytes at a time."""
        return self.store.open_in_order(self.key)

    def open_buffered(self) -> io.BufferedReader:
        """The file for Python's readers, which like small bites."""
        return io.BufferedReader(self.open(), self.read_ahead)

    def stream(self, compression: str | None = None) -> pa.NativeFile:
        """The file from its beginning, decompressed as it is read."""
        return self.store.stream(self.key, compression)

    def read_start(self, size: int) -> bytes:
        """The first bytes, or fewer if the file has fewer."""
        with self.open() as file:
            return bytes(file.read(size))

    def compression(self) -> str | None:
        """How the file is compressed, by what it begins with; unlike a suffix, that does not depend on its name."""
        start = self.read_start(max(map(len, COMPRESSIONS)))
        return next((name for magic, name in COMPRESSIONS.items() if start.startswith(magic)), None)


@dataclass(frozen=True, eq=False)
class FolderFiles(Sequence[Source]):
    """Files of a folder, in columns: a folder may hold millions, and a Source takes several times as much as its name.

    Each is made when it is looked at.
    """

    folder: Source
    names: Sequence[str]
    """Their paths inside the folder."""
    sizes: Sequence[int]
    modified: Sequence[int]
    others: Mapping[str, FileEntry]
    """Those that are links, or no regular files."""

    @classmethod
    def of(cls, folder: Source, entries: Iterable[FileEntry]) -> "FolderFiles":
        """Return the files that the store has listed."""
        names: list[str] = []
        sizes, modified = array("q"), array("q")
        others = {}
        for entry in entries:
            names.append(entry.name)
            sizes.append(entry.size)
            modified.append(entry.modified)
            if entry.is_link or not entry.is_file:
                others[entry.name] = entry
        return cls(folder, names, sizes, modified, others)

    def taken(self, rows: Sequence[int]) -> "FolderFiles":
        """Return some of them, in this order."""
        sizes, modified = (array("q", map(column.__getitem__, rows)) for column in (self.sizes, self.modified))
        return replace(self, names=[self.names[row] for row in rows], sizes=sizes, modified=modified)

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, row: int) -> Source: ...
    @overload
    def __getitem__(self, row: slice) -> "FolderFiles": ...
    def __getitem__(self, row: int | slice) -> "Source | FolderFiles":
        if isinstance(row, slice):
            return self.taken(range(*row.indices(len(self))))
        name, store, key = self.names[row], self.folder.store, self.folder.key
        kind, is_link = FileType.File, False
        if name in self.others:
            kind, is_link = self.others[name].kind, self.others[name].is_link
        key = f"{key}/{name}" if key else name
        return Source(name, kind, self.sizes[row], self.modified[row], is_link, store=store, key=key)


def uncompressed_name(name: str) -> str:
    """Return the file's name without the suffixes that say how it is compressed."""
    for suffix in COMPRESSED_SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def resolve_under_roots(location: Location, *, roots: Sequence[StorageRoot]) -> Location:
    """The location with symbolic links resolved, once it proved to lie under a root. Raises DatasetNotAllowed."""
    try:
        resolved = cast(Location, location.resolve())
    except (RuntimeError, ValueError) as error:  # links in a loop, characters that no file system knows
        raise DatasetNotAllowed(f"{str(location)!r} cannot be followed ({error})", field=FIELD) from error
    if not is_under_root(resolved, roots):  # which says the same whether or not it exists
        raise DatasetNotAllowed(f"{location} lies outside the allowed folders", field=FIELD)
    return resolved


def unreadable_error(fact: str, error: BaseException, *, field: str = FIELD) -> TedError:
    """The store's own trouble if that is what went wrong, else DatasetUnreadable with the fact."""
    return store_error(error, field=FIELD) or DatasetUnreadable(f"{fact} ({error})", field=field)


@contextmanager
def translate_store_errors(subject: object, trouble: str) -> Iterator[None]:
    """Raise what a store or disk says instead of an answer as a TedError."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        subject, reason = getattr(error, "filename", None) or subject, getattr(error, "strerror", None) or error
        fact = f"{str(subject)!a} {trouble} ({reason})"
        raise store_error(error, field=FIELD) or DatasetUnreadable(fact, field=FIELD) from error


def _refuse_bytes(name: str) -> None:
    """Raise DatasetUnreadable for bytes that are not UTF-8: Arrow cannot open them, JSON cannot say them."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise DatasetUnreadable(f"{name!a} is no name in UTF-8; rename it", field=FIELD) from error


def map_concurrently(work: Callable[[Source], WorkResult], sources: Sequence[Source]) -> Iterator[WorkResult]:
    """What the work makes of each source in turn; some are worked on at the same time.

    Of many sources a thread takes some at once: to hand over a small file takes longer than to read it.
    """
    if len(sources) <= 1:  # threads would take longer to start than a file to open
        yield from map(work, sources)
        return
    remaining, readers = iter(sources), sources[0].store.readers
    together = max(1, min(len(sources), AT_A_TIME) // (TURNS * readers))
    with ThreadPoolExecutor(readers) as pool:
        while batch := list(islice(remaining, AT_A_TIME)):
            pieces = (batch[start : start + together] for start in range(0, len(batch), together))
            for results in pool.map(lambda piece: list(map(work, piece)), pieces):
                yield from results
