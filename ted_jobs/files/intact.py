"""Published files are sent as they were published, or not at all."""

import errno
import hashlib
from collections import deque
from collections.abc import Generator, Iterator
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from cachetools import LRUCache, TTLCache
from sqlalchemy import Engine

from ted_jobs.errors import ArtifactLost
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.files.losses import LossReporter
from ted_jobs.jobs.models import Artifact

CHECKED_FIRST_BYTES = 64 << 20
"""A larger file is not read before it is sent, since that would take longer than clients like to wait."""
CHUNK_BYTES = 256 * 1024
MOST_REMEMBERED = 10_000
DAMAGED_SECONDS = 60.0
"""How long a file that proved to be damaged is refused without another look; the operator may restore it."""

FileVersion = tuple[str, int]
"""A file's key, and when it was last changed."""


class IntactFiles:
    """The published files, compared with the size and the digest that they had when they were published."""

    def __init__(self, store: ArtifactStore, engine: Engine) -> None:
        self.store, self.losses = store, LossReporter(engine)
        self._checked = _CheckedVersions()

    def check(self, artifact: Artifact) -> None:
        """Raise ArtifactLost if the file is gone or damaged; of a large one and of an object, only the size is checked.

        Raises JobNotFound if its job has just been deleted, ArtifactsRefused, StoreUnavailable.
        """
        with self.losses.watching(artifact):
            self._check(artifact)

    def download_url(self, artifact: Artifact, *, filename: str) -> str | None:
        """Return a link to the file, if the store makes links, once it is checked. Raises what ``check`` raises."""
        url = self.store.download_url(artifact, filename=filename)
        if url:
            self.check(artifact)
        return url

    def read(self, artifact: Artifact) -> bytes:
        """Return the file's content. Raises what ``check`` raises."""
        return b"".join(self.chunks(artifact, range(artifact.bytes)))

    def open(self, artifact: Artifact) -> BinaryIO:
        """Return the file, checked, for random access. Raises what ``check`` raises."""
        with self.losses.watching(artifact):
            self._check(artifact)
            return self.store.open(artifact)

    def fetch(self, artifact: Artifact, to: Path) -> None:
        """Copy the file there. Raises what ``check`` raises."""
        with to.open("wb") as copy:
            copy.writelines(self.chunks(artifact, range(artifact.bytes)))

    def chunks(self, artifact: Artifact, part: range) -> Generator[bytes, None, None]:
        """Return a generator of these bytes of the file, which is checked, and open until the generator is closed.

        Raises what ``check`` raises. If it turns out to be damaged later, the generator raises ArtifactLost before it
        would yield the last bytes. In a part of a file that was never read as a whole, only missing bytes are noticed.
        """
        with self.losses.watching(artifact):
            version = self._check(artifact)
            file = self.store.open(artifact)
        return self._sent(file, artifact, part, version)

    def _check(self, artifact: Artifact) -> FileVersion:
        version = artifact.key, self.store.entry(artifact).modified
        is_right = self._checked.outcome(version)
        if is_right is False:
            raise _damaged(artifact)
        if is_right is None and artifact.bytes <= CHECKED_FIRST_BYTES and not self.store.checks_what_it_sends:
            with self.store.open(artifact) as file:
                deque(self._whole(file, artifact, version), maxlen=0)
        return version

    def _sent(
        self, file: BinaryIO, artifact: Artifact, part: range, version: FileVersion
    ) -> Generator[bytes, None, None]:
        is_whole = len(part) == artifact.bytes
        with file, self.losses.watching(artifact):
            yield from self._whole(file, artifact, version) if is_whole else _part(file, part)

    def _whole(self, file: BinaryIO, artifact: Artifact, version: FileVersion) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for chunk in _part(file, range(artifact.bytes)):
            digest.update(chunk)
            if file.tell() == artifact.bytes:
                self._note(version, artifact, is_right=digest.hexdigest() == artifact.sha256)
            yield chunk

    def _note(self, version: FileVersion, artifact: Artifact, *, is_right: bool) -> None:
        self._checked.note(version, is_right=is_right)
        if not is_right:
            raise _damaged(artifact)


class _CheckedVersions:
    """What reading files has shown: it holds as long as their times do not change."""

    def __init__(self) -> None:
        self._right: LRUCache[FileVersion, bool] = LRUCache(MOST_REMEMBERED)
        self._damaged: TTLCache[FileVersion, bool] = TTLCache(MOST_REMEMBERED, DAMAGED_SECONDS)
        self._lock = Lock()

    def outcome(self, version: FileVersion) -> bool | None:
        """Return whether the file was right; None if it is not known."""
        with self._lock:
            return False if version in self._damaged else self._right.get(version)

    def note(self, version: FileVersion, *, is_right: bool) -> None:
        with self._lock:
            self._right.pop(version, None)
            (self._right if is_right else self._damaged)[version] = True


def _part(file: BinaryIO, part: range) -> Iterator[bytes]:
    """Yield these bytes of the file, a chunk at a time. Raise ArtifactLost if it ends before they do."""
    file.seek(part.start)
    for begin in part[::CHUNK_BYTES]:
        size = min(CHUNK_BYTES, part.stop - begin)
        chunk = _read_chunk(file, size)
        if len(chunk) != size:
            raise ArtifactLost("It ends too early")
        yield chunk


def _read_chunk(file: BinaryIO, size: int) -> bytes:
    try:
        return file.read(size)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        raise ArtifactLost("The disk cannot read all of it") from error


def _damaged(artifact: Artifact) -> ArtifactLost:
    return ArtifactLost(f"{artifact.key} has another SHA-256 than when it was published")
