"""Published files in an object store, for several machines that share no disk."""

import shutil
from pathlib import Path
from typing import BinaryIO, cast

from pyarrow import fs

from ted_core.errors import StorageFull, StoreRefused, StoreUnavailable, TedError
from ted_core.storage.digests import sha256_of
from ted_core.storage.object_store import ObjectUri, store_error
from ted_jobs.errors import ArtifactsRefused
from ted_jobs.files.local import CHUNK_BYTES, ArtifactStore
from ted_jobs.files.presigned import presigned_url
from ted_jobs.jobs.models import Artifact
from ted_jobs.settings import Settings


class ObjectArtifactStore(ArtifactStore):
    """Artifacts as objects below a URI such as ``s3://bucket/folder``. An object appears whole, or not at all."""

    def __init__(self, root: ObjectUri, *, link_seconds: int = 0) -> None:
        self.uri, self.link_seconds = root, link_seconds

    def put_file(self, source: Path, *, key: str, kind: str) -> Artifact:
        """See ``ArtifactStore``. The object is read back: what the database will name is what the store holds."""
        artifact = Artifact(kind=kind, key=key, bytes=source.stat().st_size, sha256=sha256_of(source))
        try:
            with source.open("rb") as file, self._filesystem.open_output_stream(self._path(key)) as stream:
                shutil.copyfileobj(file, stream, CHUNK_BYTES)
            stored = self._filesystem.get_file_info(self._path(key)).size
        except OSError as error:
            raise _as_ted_error(error) or StorageFull(f"{key}: {error}") from error
        if stored != artifact.bytes:
            raise StoreUnavailable(f"{key} has {stored} bytes in the store, not {artifact.bytes}")
        return artifact

    def open(self, artifact: Artifact) -> BinaryIO:
        """The object for random access. Raises FileNotFoundError, ArtifactsRefused, StoreUnavailable."""
        try:
            return cast(BinaryIO, self._filesystem.open_input_file(self._path(artifact.key)))
        except OSError as error:
            if known := _as_ted_error(error):
                raise known from error
            raise

    def download_url(self, artifact: Artifact, *, filename: str) -> str | None:
        """See ``ArtifactStore``: a presigned URL of S3, where links are wanted."""
        if self.uri.scheme != "s3" or not self.link_seconds:
            return None
        uri = ObjectUri(self.uri.scheme, self._path(artifact.key))
        return presigned_url(uri, seconds=self.link_seconds, filename=filename)

    def delete(self, key: str) -> None:
        """See ``ArtifactStore``. Raises ArtifactsRefused, StoreUnavailable."""
        path = self._path(key)
        try:
            found = self._filesystem.get_file_info(path).type
            if found is fs.FileType.Directory:
                self._filesystem.delete_dir(path)
            elif found is fs.FileType.File:
                self._filesystem.delete_file(path)
        except FileNotFoundError:  # somebody else was faster; or Google's, where a folder is gone with what was in it
            return
        except OSError as error:
            raise _as_ted_error(error) or StoreUnavailable(f"{key}: {error}") from error

    @property
    def _filesystem(self) -> fs.FileSystem:
        return self.uri.filesystem

    def _path(self, key: str) -> str:
        return f"{self.uri.path}/{key}"


def _as_ted_error(error: OSError) -> TedError | None:
    """See ``ted_core.storage.object_store.store_error``. That this store refuses is the operator's business, never the client's."""
    known = store_error(error)
    return ArtifactsRefused(known.fact) if isinstance(known, StoreRefused) else known


def artifact_store(settings: Settings) -> ArtifactStore:
    """The artifact store that the settings name."""
    root = settings.artifacts
    return (
        ObjectArtifactStore(root, link_seconds=settings.artifact_link_seconds)
        if isinstance(root, ObjectUri)
        else ArtifactStore(root)
    )
