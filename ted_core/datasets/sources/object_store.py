"""Objects in a store, and the folders that their keys make."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import pyarrow as pa
from pyarrow.fs import FileInfo, FileSelector, FileSystem, FileType

from ted_core.datasets.sources.base import FIELD, DatasetRoot, Source, not_allowed_error, unreadable_error
from ted_core.errors import DatasetNotAllowed
from ted_core.storage.object_store import ObjectUri, filesystem


@dataclass(frozen=True)
class StoredSource(Source):
    """An object, or a folder of objects, which a store calls a prefix."""

    read_ahead: ClassVar[int] = 8 << 20
    readers: ClassVar[int] = 32

    scheme: str = field(default="", kw_only=True)

    @classmethod
    def at(cls, uri: ObjectUri) -> "StoredSource":
        """What lies there. Raises StoreRefused, StoreUnavailable."""
        with translate_store_errors(str(uri)):
            return cls._of(uri.filesystem.get_file_info(uri.path), uri.parts[-1], scheme=uri.scheme)

    @classmethod
    def _of(cls, found: FileInfo, name: str, *, scheme: str) -> "StoredSource":
        if found.type is not FileType.File:
            return cls(found.path, name, found.type, scheme=scheme)
        return cls(found.path, name, found.type, found.size, found.mtime_ns or 0, scheme=scheme)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path}"

    @property
    def uri(self) -> ObjectUri:
        """Its name in the world. Raises DatasetNotAllowed for a key that could be read in two ways."""
        try:
            return ObjectUri(self.scheme, self.path)
        except ValueError as error:
            raise DatasetNotAllowed(f"{str(self)!r} cannot be followed ({error})", field=FIELD) from error

    def confine_to(self, roots: Sequence[DatasetRoot]) -> "StoredSource":
        """As in ``Source``. What is inside was listed under the folder's own key."""
        if not is_under_root(self.uri, roots):
            raise not_allowed_error(self)
        return self

    def parent(self) -> "StoredSource":
        return self.at(ObjectUri(self.scheme, self.path.rpartition("/")[0]))

    def child(self, name: str) -> "StoredSource":
        return self.at(StoredSource(f"{self.path}/{name}", name, scheme=self.scheme).uri)

    def children(self) -> list["StoredSource"]:
        folders_first = sorted(self._below(recursive=False), key=lambda source: not source.is_folder)
        found = {source.name: source for source in folders_first}  # where both have a name, the object has it
        return [found[name] for name in sorted(found)]

    def tree(self, *suffixes: str) -> list["StoredSource"]:
        found = [source for source in self._below(recursive=True) if source.is_file]
        chosen = [source for source in found if source.name.lower().endswith(suffixes)]
        return sorted(chosen, key=lambda source: source.name.encode())

    def _below(self, *, recursive: bool) -> Iterator["StoredSource"]:
        """What can be named; passed over are hidden parts and empty ones, such as the folder's own placeholder."""
        with translate_store_errors(str(self)):
            entries = self.filesystem.get_file_info(FileSelector(self.path, recursive=recursive))
        for entry in entries:
            name = entry.path.removeprefix(self.path).removeprefix("/")
            if all(part and not part.startswith(".") for part in name.split("/")):
                yield self._of(entry, name, scheme=self.scheme)

    @property
    def filesystem(self) -> FileSystem:
        return filesystem(self.scheme)


def is_under_root(uri: ObjectUri, roots: Sequence[DatasetRoot]) -> bool:
    """Whether the URI lies under a root."""
    return any(uri.is_relative_to(root) for root in roots if isinstance(root, ObjectUri))


@contextmanager
def translate_store_errors(name: str) -> Iterator[None]:
    """What the store says instead of an answer becomes a TedError."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise unreadable_error(f"{name} cannot be looked at", error) from error
