"""Where job folders lie, as whoever sweeps them sees it: a folder on a disk, or objects in a store."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from pyarrow import fs

from ted_core.datasets.sources.base import DatasetRoot
from ted_core.storage.object_store import ObjectUri


class JobFolders(Protocol):
    """Job folders and what lies in them. A key is a path below the place, ``<job>/<token>/<file>``."""

    pause_seconds: float
    """Between looking through one batch of folders and the next."""

    def names(self) -> list[str]:
        """The names at the top, those of files among them."""

    def old_keys(self, name: str, *, before: float) -> list[str]:
        """The keys of a folder and of all in it that were last changed before; what holds others comes first."""

    def write_marker(self, name: str) -> None:
        """Leave an empty file of this name at the top."""

    def delete(self, key: str) -> bool:
        """Whether the file, or the empty folder, is gone through us. A folder that is not empty stays."""


class LocalJobFolders:
    """Job folders on a disk."""

    pause_seconds = 10.0

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """See ``JobFolders``."""
        return [path.name for path in self.root.iterdir()] if self.root.is_dir() else []

    def old_keys(self, name: str, *, before: float) -> list[str]:
        """See ``JobFolders``."""
        found = []
        for where, _, files in os.walk(self.root / name):
            for path in (Path(where), *(Path(where, file) for file in files)):
                with suppress(FileNotFoundError):  # somebody else was faster
                    found += [path] if path.lstat().st_mtime <= before else []
        return [path.relative_to(self.root).as_posix() for path in found]

    def write_marker(self, name: str) -> None:
        """See ``JobFolders``."""
        (self.root / name).touch()

    def delete(self, key: str) -> bool:
        """See ``JobFolders``."""
        path = self.root / key
        with suppress(OSError):  # somebody else was faster, or the folder is not empty
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
            return True
        return False


class ObjectJobFolders:
    """Job folders in an object store, where a folder is no more than its objects' common beginning, or a marker."""

    pause_seconds = 600.0  # stores charge for every listing

    def __init__(self, root: ObjectUri) -> None:
        self.scheme, self.path, self.filesystem = root.scheme, root.path, root.filesystem

    def names(self) -> list[str]:
        """See ``JobFolders``."""
        # Of Google's store, pyarrow lists no folder that is only the beginning of what lies in it.
        found = self._list(self.path, recursive=self.scheme == "gs")
        return list(dict.fromkeys(info.path.removeprefix(f"{self.path}/").partition("/")[0] for info in found))

    def old_keys(self, name: str, *, before: float) -> list[str]:
        """See ``JobFolders``. Folders have no age."""
        infos = self._list(f"{self.path}/{name}", recursive=True)
        old = [info.path for info in infos if not info.is_file or info.mtime.timestamp() <= before]
        return [name, *(path.removeprefix(f"{self.path}/") for path in sorted(old))]

    def write_marker(self, name: str) -> None:
        """See ``JobFolders``."""
        self.filesystem.open_output_stream(f"{self.path}/{name}").close()

    def delete(self, key: str) -> bool:
        """See ``JobFolders``."""
        path = f"{self.path}/{key}"
        info = self.filesystem.get_file_info(path)
        if info.is_file:
            self.filesystem.delete_file(path)
        elif info.type is fs.FileType.NotFound or any(one.is_file for one in self._list(path, recursive=True)):
            return False
        else:
            self.filesystem.delete_dir(path)
        return True

    def _list(self, path: str, *, recursive: bool) -> list[fs.FileInfo]:
        found: list[fs.FileInfo] = self.filesystem.get_file_info(
            fs.FileSelector(path, allow_not_found=True, recursive=recursive)
        )
        return found


def job_folders_at(root: DatasetRoot) -> JobFolders:
    """The place that the settings name."""
    return ObjectJobFolders(root) if isinstance(root, ObjectUri) else LocalJobFolders(root)
