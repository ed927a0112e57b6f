"""Where published files live. A file is written once, under its attempt's own token, and never changed."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from ted_core.errors import StorageFull
from ted_core.storage.digests import sha256_of
from ted_jobs.jobs.models import Artifact

CHUNK_BYTES = 1 << 20


class ArtifactStore:
    """Artifacts in a local folder, as ``<job>/<token>/<file>``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put_attempt_file(self, source: Path, *, job_id: str, token: int, kind: str) -> Artifact:
        """The file, durably in the store. Another attempt's file is never overwritten: its token differs.

        Raises StorageFull.
        """
        return self.put_file(source, key=f"{job_id}/{token}/{source.name}", kind=kind)

    def put_file(self, source: Path, *, key: str, kind: str) -> Artifact:
        """The file, durably in the store under this key. Raises StorageFull."""
        destination = self.root / key
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            _copy_durably(source, destination)
        except OSError as error:
            raise StorageFull(f"{destination.name}: {error.strerror}") from error
        return Artifact(kind=kind, key=key, bytes=destination.stat().st_size, sha256=sha256_of(destination))

    def open(self, artifact: Artifact) -> BinaryIO:
        """The file for random access. Raises FileNotFoundError."""
        return self.locate(artifact).open("rb")

    def download_url(self, artifact: Artifact, *, filename: str) -> str | None:
        """A URL at which anybody may fetch the file for a while; None where it has to be fetched through us."""
        return None

    def locate(self, artifact: Artifact) -> Path:
        """The artifact's path on this machine."""
        return self.root / artifact.key

    def fetch(self, artifact: Artifact, to: Path) -> bool:
        """Whether the file is still what it was; then it lies at ``to`` as well."""
        try:
            with self.open(artifact) as source, to.open("wb") as copy:
                shutil.copyfileobj(source, copy, CHUNK_BYTES)
        except FileNotFoundError:
            return False
        return sha256_of(to) == artifact.sha256

    def delete(self, key: str) -> None:
        """Remove a file, or all files under a folder; what is not there, or will not go, is left to the sweeper."""
        path = self.root / key
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _copy_durably(source: Path, destination: Path) -> None:
    """Copy under a temporary name, flush, rename, flush the folder: after a crash it is whole or absent.

    What did not fit does not stay, or it would leave no room for what follows.
    """
    partial = destination.with_name(destination.name + ".partial")
    try:
        shutil.copyfile(source, partial)
        _fsync(partial)
        partial.replace(destination)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    _fsync(destination.parent)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
