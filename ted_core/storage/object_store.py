"""Object stores: ``s3://`` and ``gs://`` URIs, pyarrow's file systems for them, and what their troubles mean.

Credentials, region and endpoint are those of this process's environment, as the stores' own tools read them.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from pyarrow import fs

from ted_core.errors import StoreRefused, StoreUnavailable, TedError

CONNECT_SECONDS, SILENT_SECONDS = 5, 10
"""How long connecting may take, and how long an answer may stall; three attempts are made."""
RETRY_SECONDS = 30
"""How long Google's client retries."""
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")
S3_ENDPOINT = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
"""The first of them that is set; the SDK inside pyarrow reads neither."""
GCS_EMULATOR = "STORAGE_EMULATOR_HOST"
"""What Google's libraries read; the one inside pyarrow does not."""
STORE_MARKS = ("AWS Error", "google::cloud::Status")
"""What the text of an OSError holds if a store, not a file, is to blame."""
REFUSED = re.compile(
    "ACCESS_DENIED|INVALID_ACCESS_KEY_ID|INVALID_CLIENT_TOKEN_ID|SIGNATURE|EXPIRED|UNRECOGNIZED_CLIENT|"
    r"HTTP status (?:30[17]|40[0137])|NO_SUCH_BUCKET|PERMISSION_DENIED|UNAUTHENTICATED|OAuth2 access token"
)


@dataclass(frozen=True)
class ObjectUri:
    """A bucket, or an object or folder in it. Keys are taken literally, without escapes.

    Raises ValueError for a name that could be read in two ways.
    """

    scheme: str
    path: str
    """Bucket and key, as pyarrow's file systems take them; no slash at the end."""

    def __post_init__(self) -> None:
        if self.scheme not in FILESYSTEMS:
            raise ValueError(f"{self.scheme!r} is not among {', '.join(FILESYSTEMS)}")
        if not BUCKET.fullmatch(self.parts[0]):
            raise ValueError(f"{self.parts[0]!r} is no bucket's name")
        if not {"", ".", ".."}.isdisjoint(self.parts):
            raise ValueError("a key's parts are never empty, . or ..")
        self.path.encode()  # or a UnicodeEncodeError, which is a ValueError

    @classmethod
    def parse(cls, uri: str) -> "ObjectUri":
        """What the URI names; a slash at its end may say that it is a folder. Raises ValueError."""
        scheme, _, path = uri.partition("://")
        return cls(scheme.lower(), path.removesuffix("/"))

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path}"

    @property
    def parts(self) -> tuple[str, ...]:
        """The bucket, then the key's."""
        return tuple(self.path.split("/"))

    @property
    def name(self) -> str:
        """The last part."""
        return self.parts[-1]

    @property
    def parent(self) -> "ObjectUri":
        """The folder or bucket that it lies in. Raises ValueError for a bucket."""
        return ObjectUri(self.scheme, self.path.rpartition("/")[0])

    @property
    def bucket(self) -> "ObjectUri":
        """The bucket that it lies in."""
        return ObjectUri(self.scheme, self.parts[0])

    @property
    def filesystem(self) -> fs.FileSystem:
        """What reads and writes ``path``."""
        return filesystem(self.scheme)

    def __truediv__(self, key: str) -> "ObjectUri":
        """What lies there in the folder. Raises ValueError."""
        return ObjectUri(self.scheme, f"{self.path}/{key}".removesuffix("/"))

    def resolve(self) -> "ObjectUri":
        """Itself: unlike paths, keys lead over no links."""
        return self

    def is_relative_to(self, other: "ObjectUri") -> bool:
        """Whether it is the other or lies in it, compared by whole parts."""
        return self.scheme == other.scheme and self.parts[: len(other.parts)] == other.parts


def is_object_uri(uri: str) -> bool:
    """Whether the URI's scheme is that of a store."""
    scheme, separator, _ = uri.partition("://")
    return bool(separator) and scheme.lower() in FILESYSTEMS


@cache
def filesystem(scheme: str) -> fs.FileSystem:
    """The store, as this process's environment describes it; nothing is sent yet."""
    return FILESYSTEMS[scheme]()


def _s3() -> fs.FileSystem:
    endpoint = next((os.environ[name] for name in S3_ENDPOINT if os.environ.get(name)), None)
    scheme, _, host = endpoint.rpartition("://") if endpoint else ("", "", None)
    return fs.S3FileSystem(
        endpoint_override=host.rstrip("/") if host else None,
        scheme=scheme or "https",
        connect_timeout=CONNECT_SECONDS,
        request_timeout=SILENT_SECONDS,
    )


def _gcs() -> fs.FileSystem:
    retry_limit = timedelta(seconds=RETRY_SECONDS)
    emulator = os.environ.get(GCS_EMULATOR)
    if not emulator:
        return fs.GcsFileSystem(retry_time_limit=retry_limit)
    scheme, _, host = emulator.rpartition("://")
    return fs.GcsFileSystem(
        anonymous=True, scheme=scheme or "http", endpoint_override=host.rstrip("/"), retry_time_limit=retry_limit
    )


FILESYSTEMS: Mapping[str, Callable[[], fs.FileSystem]] = {"s3": _s3, "gs": _gcs}


def store_error(error: BaseException, *, field: str | None = None) -> TedError | None:
    """What the store's answer, or its silence, means; None if the store is not to blame."""
    fact = str(error)
    if not isinstance(error, OSError) or not any(mark in fact for mark in STORE_MARKS):
        return None
    if REFUSED.search(fact):
        return StoreRefused(fact, field=field)
    return None if isinstance(error, FileNotFoundError) else StoreUnavailable(fact, field=field)
