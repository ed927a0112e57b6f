"""A bucket, or a folder in one: objects, and the folders that their keys make."""

import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pyarrow.fs import FileInfo, FileSelector, FileSystem

from ted_core.storage.file_store import FileEntry, FileStore
from ted_core.storage.object_store import ObjectUri

CHUNK_BYTES = 1 << 20
MOST_LISTINGS = 8
"""Of folders of which some names are wanted."""


@dataclass(frozen=True)
class ObjectFileStore(FileStore):
    """The objects below a URI. A folder is no more than its objects' common prefix, or a marker."""

    root_type = "bucket"
    read_ahead = 8 << 20
    readers = 32
    checks_what_it_sends = True
    pause_seconds = 600.0  # stores charge for every listing

    root: ObjectUri

    @property
    def can_presign(self) -> bool:
        return self.root.scheme == "s3"

    def path(self, key: str) -> str:
        return f"{self.root.path}/{key}".removesuffix("/")

    def presigned_url(self, key: str, *, seconds: int, filename: str) -> str | None:
        """As in ``FileStore``, of S3 only. Raises ImportError without the extra ``s3``."""
        if not self.can_presign:
            return None
        bucket, *parts = (self.root / key).parts
        request = {
            "Bucket": bucket,
            "Key": "/".join(parts),
            "ResponseContentDisposition": f'attachment; filename="{filename}"',
        }
        url: str = _s3_client().generate_presigned_url("get_object", Params=request, ExpiresIn=seconds)
        return url

    def stat(self, key: str) -> FileEntry:
        return _entry(self.filesystem.get_file_info(self.path(key)), self.path(key).rpartition("/")[2])

    def children(self, key: str) -> list[FileEntry]:
        folders_first = sorted(self._visible(key, recursive=False), key=lambda entry: not entry.is_folder)
        return list({entry.name: entry for entry in folders_first}.values())  # if both have a name, the object has it

    def tree(self, key: str, suffixes: tuple[str, ...], pass_over: Callable[[str], object]) -> Iterator[FileEntry]:
        for entry in self._visible(key, recursive=True):
            if entry.is_file and entry.name.lower().endswith(suffixes):
                yield entry
            elif entry.is_file:
                pass_over(entry.name)

    def some_names(self, key: str) -> Generator[str, None, None]:
        """As in ``FileStore``: those that a few listings give, since each is charged for."""
        pending = [""]
        for _ in range(MOST_LISTINGS):
            if not pending:
                return
            folder = pending.pop()
            for entry in self.children(f"{key}/{folder}".strip("/")):
                if entry.is_folder:
                    pending.append(f"{folder}{entry.name}/")
                else:
                    yield folder + entry.name

    def names(self) -> list[str]:
        # Of Google's store, pyarrow lists no folder that is only the beginning of what lies in it.
        entries = self._list("", recursive=self.root.scheme == "gs", allow_not_found=True)
        return list(dict.fromkeys(name.partition("/")[0] for name, _ in entries))

    def old_keys(self, name: str, *, before: float) -> list[str]:
        """As in ``FileStore``. Folders have no age."""
        entries = self._list(name, recursive=True, allow_not_found=True)
        old = [inner for inner, info in entries if not info.is_file or info.mtime.timestamp() <= before]
        return [name, *(f"{name}/{inner}" for inner in sorted(old))]

    def _visible(self, key: str, *, recursive: bool) -> Iterator[FileEntry]:
        """What can be named; passed over are hidden parts and empty ones, such as the folder's own placeholder."""
        for name, info in self._list(key, recursive=recursive):
            if all(part and not part.startswith(".") for part in name.split("/")):
                yield _entry(info, name)

    def _list(self, key: str, *, recursive: bool, allow_not_found: bool = False) -> list[tuple[str, FileInfo]]:
        """What lies in the folder, each with its name in there."""
        path = self.path(key)
        selector = FileSelector(path, allow_not_found=allow_not_found, recursive=recursive)
        infos = self.filesystem.get_file_info(selector)
        return [(info.path.removeprefix(path).removeprefix("/"), info) for info in infos]

    @property
    def filesystem(self) -> FileSystem:
        return self.root.filesystem

    def put(self, source: Path, key: str) -> None:
        """As in ``FileStore``: an object appears whole, or not at all."""
        with source.open("rb") as file, self.filesystem.open_output_stream(self.path(key)) as stream:
            shutil.copyfileobj(file, stream, CHUNK_BYTES)

    def delete(self, key: str) -> bool:
        entry = self.stat(key)
        if entry.is_folder and any(info.is_file for _, info in self._list(key, recursive=True, allow_not_found=True)):
            return False
        self._delete(key, entry)
        return entry.exists

    def delete_tree(self, key: str) -> None:
        with suppress(FileNotFoundError):  # somebody else was faster; or Google's folder went with what was in it
            self._delete(key, self.stat(key))

    def _delete(self, key: str, entry: FileEntry) -> None:
        if entry.is_file:
            self.filesystem.delete_file(self.path(key))
        elif entry.is_folder:
            self.filesystem.delete_dir(self.path(key))


def _entry(info: FileInfo, name: str) -> FileEntry:
    return FileEntry(name, info.type, info.size or 0, info.mtime_ns or 0)


@cache
def _s3_client() -> Any:
    """As the environment describes the store; nothing is sent. Raises ImportError without the extra ``s3``."""
    from botocore.config import Config  # noqa: PLC0415 - an extra
    from botocore.session import get_session  # noqa: PLC0415

    return get_session().create_client("s3", config=Config(signature_version="s3v4"))
