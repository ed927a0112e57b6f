"""Where published files live. A file is written once, under its attempt's own token, and never changed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from ted_core.errors import StorageFull, StoreRefused, StoreUnavailable
from ted_core.storage.file_digest import sha256_of
from ted_core.storage.file_store import FileEntry, StorageRoot
from ted_core.storage.object_store import store_error
from ted_core.storage.roots import file_store
from ted_jobs.errors import ArtifactLost, ArtifactsRefused
from ted_jobs.jobs.models import Artifact
from ted_jobs.settings import Settings

CHUNK_BYTES = 1 << 20


class ArtifactStore:
    """Artifacts below a folder, or a URI such as ``s3://bucket/folder``, as ``<job>/<token>/<file>``."""

    def __init__(self, root: StorageRoot, *, link_seconds: int = 0) -> None:
        self.store, self.link_seconds = file_store(root), link_seconds

    @property
    def checks_what_it_sends(self) -> bool:
        """Whether the store compares a file with a checksum of its own when it is read."""
        return self.store.checks_what_it_sends

    def put_attempt_file(self, source: Path, *, job_id: str, token: int, kind: str) -> Artifact:
        """The file, durably in the store. Another attempt's file is never overwritten: its token differs.

        Raises what ``put_file`` raises.
        """
        return self.put_file(source, key=f"{job_id}/{token}/{source.name}", kind=kind)

    def put_file(self, source: Path, *, key: str, kind: str) -> Artifact:
        """The file, durably in the store under this key. Raises StorageFull, ArtifactsRefused, StoreUnavailable."""
        try:
            artifact = Artifact(kind=kind, key=key, bytes=source.stat().st_size, sha256=sha256_of(source))
            with _translate_store_errors():
                self.store.put(source, key)
                stored = self.store.stat(key).size
        except OSError as error:
            raise StorageFull(f"{key}: {error.strerror or error}") from error
        if stored != artifact.bytes:
            raise StoreUnavailable(f"{key} has {stored} bytes in the store, not {artifact.bytes}")
        return artifact

    def entry(self, artifact: Artifact) -> FileEntry:
        """How the file lies in the store. Raises ArtifactLost unless it is there and has the size that it had.

        Also raises ArtifactsRefused, StoreUnavailable.
        """
        with _translate_store_errors():
            entry = self.store.stat(artifact.key)
        if not entry.is_file:
            raise ArtifactLost(f"There is no {artifact.key}")
        if entry.size != artifact.bytes:
            raise ArtifactLost(f"{artifact.key} has {entry.size} bytes, not {artifact.bytes}")
        return entry

    def open(self, artifact: Artifact) -> BinaryIO:
        """The file for random access. Raises ArtifactLost, ArtifactsRefused, StoreUnavailable."""
        try:
            with _translate_store_errors():
                return cast(BinaryIO, self.store.open(artifact.key))
        except FileNotFoundError as error:
            raise ArtifactLost(f"There is no {artifact.key}") from error

    def download_url(self, artifact: Artifact, *, filename: str) -> str | None:
        """A URL at which anybody may fetch the file for a while; None if it has to be fetched through us."""
        if not self.link_seconds:
            return None
        return self.store.presigned_url(artifact.key, seconds=self.link_seconds, filename=filename)

    def fetch(self, artifact: Artifact, to: Path) -> bool:
        """Whether the file is still what it was; then it lies at ``to`` as well."""
        try:
            with self.open(artifact) as source, to.open("wb") as copy:
                shutil.copyfileobj(source, copy, CHUNK_BYTES)
        except ArtifactLost:
            return False
        return sha256_of(to) == artifact.sha256

    def delete(self, key: str) -> None:
        """Remove a file, or all files under a folder, if there are any; a disk's that will not go wait for the sweeper.

        Raises ArtifactsRefused, StoreUnavailable.
        """
        try:
            with _translate_store_errors():
                self.store.delete_tree(key)
        except OSError as error:
            raise StoreUnavailable(f"{key}: {error}") from error


@contextmanager
def _translate_store_errors() -> Iterator[None]:
    """See ``store_error``. That this store refuses is the operator's business, never the client's."""
    try:
        yield
    except OSError as error:
        trouble = StoreRefused(str(error.strerror)) if isinstance(error, PermissionError) else store_error(error)
        if trouble is None:
            raise
        raise (ArtifactsRefused(trouble.fact) if isinstance(trouble, StoreRefused) else trouble) from error


def artifact_store(settings: Settings) -> ArtifactStore:
    """The artifact store that the settings name."""
    return ArtifactStore(settings.artifacts, link_seconds=settings.artifact_link_seconds)
