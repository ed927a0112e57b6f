"""A download that is resumed where it stopped, and checked before it gets its name."""

import hashlib
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, Literal
from urllib.parse import urljoin

import httpx

from ted_client.errors import DownloadBroken, NotSaved, RequestFailed, ServiceUnreachable, TedApiError, retry_after
from ted_client.flow import Flow, ReadChunk, Request, ResponseHead, RunBlocking, SendRequest, Sleep, read_response
from ted_client.retry import PERMANENT_ERRORS, RETRYABLE_STATUSES, Backoff, ServiceConnection, TryAgain

REDIRECTS = (HTTPStatus.FOUND, HTTPStatus.TEMPORARY_REDIRECT)
RETRYABLE_STORE_STATUSES = RETRYABLE_STATUSES | {HTTPStatus.INTERNAL_SERVER_ERROR}
MOST_TRANSFERS = 2
"""How often a file is transferred that arrives with another digest than announced."""
DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/=]+):")
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass
class Download:
    """The download of one file, whose ETag or Repr-Digest is the SHA-256 of its bytes."""

    service: ServiceConnection
    url: str
    path: Path
    accept: str = "*/*"
    params: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.partial = PartialFile.find(self.path)

    def run(self) -> Flow[Path]:
        """Download the file and return its path. Raise TedApiError, ServiceUnreachable, DownloadBroken or NotSaved.

        What has arrived stays beside it until then, so that another call, or process, can resume from there. If it
        proves to be another file than announced, all of it is transferred once more.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            for _ in range(MOST_TRANSFERS):
                yield from self._transfer_with_retries()
                if (yield RunBlocking(self.partial.sha256)) == self.partial.expected_sha256:
                    return self.partial.move_to(self.path)
                self.partial.remove()
        except OSError as error:
            raise NotSaved(f"{self.path} could not be written ({error.strerror}).") from error
        raise DownloadBroken(
            f"{self.url} did not arrive with SHA-256 {self.partial.expected_sha256}, in {MOST_TRANSFERS} transfers. "
            "Download it again; if that does not help, run the job again."
        )

    def _transfer_with_retries(self) -> Flow[None]:
        backoff = Backoff(self.service.retry_policy)
        while True:
            size_before = self.partial.size
            try:
                return (yield from self._transfer())
            except (httpx.TransportError, TryAgain) as failure:
                backoff = Backoff(self.service.retry_policy) if self.partial.size > size_before else backoff
                at_least = failure.error.retry_after if isinstance(failure, TryAgain) else None
                pause = None if isinstance(failure, PERMANENT_ERRORS) else backoff.pause(at_least=at_least)
                if pause is None:
                    raise self._error(failure, tries=backoff.tries) from failure
                yield Sleep(pause)

    def _error(self, failure: httpx.TransportError | TryAgain, *, tries: int) -> RequestFailed:
        if isinstance(failure, TryAgain):
            return failure.error
        if not self.partial.size:
            return self.service.unreachable(failure)
        return ServiceUnreachable(f"{self.url} broke off, and {tries} tries brought nothing more ({failure}).")

    def _transfer(self) -> Flow[None]:
        """Fetch the bytes that are still missing."""
        if_range = {"If-Range": f'"{self.partial.expected_sha256}"'} if self.partial.size else {}
        headers = {"Accept": self.accept, "Accept-Encoding": "identity", **self._range_headers(), **if_range}
        head: ResponseHead = yield SendRequest(Request("GET", self.url, params=self.params, headers=headers))
        if head.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and self.partial.size:
            return (yield from self._check_complete())
        if head.status >= HTTPStatus.BAD_REQUEST:
            raise self._refusal(TedApiError.of((yield from read_response(head))))
        self.partial.expect(_sha256(head))
        if head.status in REDIRECTS:
            yield from self._follow_redirect(urljoin(head.url, head.headers["Location"]))
        else:
            yield from self._save(head)

    def _range_headers(self) -> dict[str, str]:
        return {"Range": f"bytes={self.partial.size}-"} if self.partial.size else {}

    def _check_complete(self) -> Flow[None]:
        """Check that what has arrived is the whole file, as the status suggests; if it is not, start again."""
        if (yield RunBlocking(self.partial.sha256)) != self.partial.expected_sha256:
            self.partial.remove()
            yield from self._transfer()

    def _refusal(self, error: TedApiError) -> Exception:
        if error.status == HTTPStatus.GONE:
            self.partial.remove()
        temporary = RETRYABLE_STORE_STATUSES if self.partial.size else RETRYABLE_STATUSES
        return TryAgain(error) if error.status in temporary else error

    def _follow_redirect(self, link: str) -> Flow[None]:
        """Fetch the rest of the file from the object store, which must not see the key to the service."""
        headers = {"Accept-Encoding": "identity", **self._range_headers()}
        head: ResponseHead = yield SendRequest(Request("GET", link, headers=headers))
        if head.status in RETRYABLE_STORE_STATUSES:
            error = ServiceUnreachable(f"{self.url} broke off: the object store answered {head.status}.")
            error.retry_after = retry_after(head.headers)
            raise TryAgain(error)
        if head.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and self.partial.size:
            return
        yield from self._save(head)

    def _save(self, head: ResponseHead) -> Flow[None]:
        if head.status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            raise DownloadBroken(f"The object store answered {head.status}. Download it again.")
        with self.partial.open_file("ab" if head.status == HTTPStatus.PARTIAL_CONTENT else "wb") as file:
            while chunk := (yield ReadChunk()):
                file.write(chunk)


def _sha256(head: ResponseHead) -> str:
    """Return the digest that the file will have. Raise DownloadBroken if the response does not say."""
    sha256 = next(filter(SHA256.fullmatch, _digests(head.headers)), None)
    if sha256 is None:
        raise DownloadBroken(f"{head.url} does not tell the file's SHA-256: something between us changes its headers.")
    return sha256


def _digests(headers: httpx.Headers) -> Iterator[str]:
    """Yield the digest of Repr-Digest (RFC 9530), then that of the ETag."""
    if match := DIGEST.search(headers.get("Repr-Digest", "")):
        with suppress(NotBase64):
            yield b64decode(match[1]).hex()
    yield headers.get("ETag", "").removeprefix("W/").strip('"')


@dataclass
class PartialFile:
    """The part of a download that has arrived, beside the target as ``NAME.SHA256.partial``.

    ``expected_sha256`` is empty, and there is no file, until the service has said which file it will send.
    """

    target: Path
    expected_sha256: str = ""

    @classmethod
    def find(cls, target: Path) -> "PartialFile":
        """Return what an earlier download of this target has left, if there is any."""
        name = re.compile(re.escape(target.name) + r"\.([0-9a-f]{64})\.partial")
        siblings = target.parent.iterdir() if target.parent.is_dir() else ()
        matches = (name.fullmatch(path.name) for path in siblings)
        return next((cls(target, match[1]) for match in matches if match), cls(target))

    @property
    def path(self) -> Path:
        """Where the part is stored."""
        return self.target.with_name(f"{self.target.name}.{self.expected_sha256}.partial")

    @property
    def size(self) -> int:
        """The number of bytes that have arrived."""
        return self.path.stat().st_size if self.expected_sha256 and self.path.exists() else 0

    def expect(self, sha256: str) -> None:
        """Expect this file; discard what has arrived of another one."""
        if sha256 != self.expected_sha256:
            self.remove()
            self.expected_sha256 = sha256

    def open_file(self, mode: Literal["ab", "wb"]) -> BinaryIO:
        """Open the file to append to what has arrived, or to write from the beginning."""
        return self.path.open(mode)

    def sha256(self) -> str:
        """Return the digest of what has arrived."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def move_to(self, target: Path) -> Path:
        """Move the file to its target atomically."""
        return self.path.replace(target)

    def remove(self) -> None:
        """Discard what has arrived."""
        if self.expected_sha256:
            self.path.unlink(missing_ok=True)
