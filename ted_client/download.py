"""A download that can be interrupted: taken up where it stopped, and checked before it gets its name."""

import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx

from ted_client.errors import ClientError, DownloadBroken, NotSaved, ServiceUnreachable, TedApiError, retry_after
from ted_client.flow import Flow, ReadChunk, Request, ResponseHead, RunBlocking, SendRequest, Sleep, read_response
from ted_client.partial import PartialFile
from ted_client.retry import FIRST_ERROR, PERMANENT_ERRORS, RETRYABLE_STATUSES, Backoff, ServiceConnection

OK, PARTIAL_CONTENT, REDIRECTS, RANGE_NOT_SATISFIABLE = 200, 206, (302, 307), 416
INTERNAL_ERROR = 500
RETRYABLE_STORE_STATUSES = RETRYABLE_STATUSES | {INTERNAL_ERROR}
DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/=]+):")
SHA256 = re.compile(r"[0-9a-f]{64}")


class DownloadInterrupted(Exception):
    """What a broken line is at other times: a server that will answer in a moment, and what to say if it does not."""

    def __init__(self, verdict: ClientError, *, at_least: float | None) -> None:
        super().__init__(str(verdict))
        self.error, self.at_least = verdict, at_least


@dataclass
class Download:
    """One file from a URL whose ETag, or Repr-Digest, is the SHA-256 of its bytes."""

    service: ServiceConnection
    url: str
    path: Path
    accept: str = "*/*"
    params: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.partial = PartialFile.find(self.path)

    def run(self) -> Flow[Path]:
        """The path, once the whole file lies there. Raises TedApiError, ServiceUnreachable, DownloadBroken,
        NotSaved.

        What has arrived stays beside it until then, so that another call, or process, can go on from there.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            yield from self._transfer_with_retries()
        except OSError as error:
            raise NotSaved(f"{self.path} could not be written ({error.strerror}).") from error
        found = yield RunBlocking(self.partial.sha256)
        if found != self.partial.expected_sha256:
            self.partial.remove()
            raise DownloadBroken(f"{self.url} arrived with SHA-256 {found}, not {self.partial.expected_sha256}. "
                                 "Download it again.")  # fmt: skip
        return self.partial.move_to(self.path)

    def _transfer_with_retries(self) -> Flow[None]:
        spell = Backoff(self.service.retry_policy)
        while True:
            before = self.partial.size
            try:
                return (yield from self._transfer())
            except (httpx.TransportError, DownloadInterrupted) as error:
                spell = Backoff(self.service.retry_policy) if self.partial.size > before else spell
                at_least = error.at_least if isinstance(error, DownloadInterrupted) else None
                pause = None if isinstance(error, PERMANENT_ERRORS) else spell.pause(at_least=at_least)
                if pause is None:
                    raise self._final_error(error, tries=spell.tries) from error
                yield Sleep(pause)

    def _final_error(self, error: httpx.TransportError | DownloadInterrupted, *, tries: int) -> ClientError:
        if isinstance(error, DownloadInterrupted):
            return error.error
        if not self.partial.size:
            return self.service.unreachable(error)
        return ServiceUnreachable(f"{self.url} broke off, and {tries} tries brought nothing more ({error}).")

    def _transfer(self) -> Flow[None]:
        """Fetch what is still missing."""
        known = {"If-Range": f'"{self.partial.expected_sha256}"'} if self.partial.size else {}
        headers = {"Accept": self.accept, "Accept-Encoding": "identity", **self._range_headers(), **known}
        head: ResponseHead = yield SendRequest(Request("GET", self.url, params=self.params, headers=headers))
        if head.status == RANGE_NOT_SATISFIABLE and self.partial.size:
            return (yield from self._check_complete())
        if head.status >= FIRST_ERROR:
            raise self._refusal(TedApiError.of((yield from read_response(head))))
        self.partial.expect(_sha256(head))
        if head.status in REDIRECTS:
            yield from self._fetch_redirected(urljoin(head.url, head.headers["Location"]))
        else:
            yield from self._save(head)

    def _range_headers(self) -> dict[str, str]:
        return {"Range": f"bytes={self.partial.size}-"} if self.partial.size else {}

    def _check_complete(self) -> Flow[None]:
        """Nothing is missing, as it seems; otherwise everything is."""
        if (yield RunBlocking(self.partial.sha256)) != self.partial.expected_sha256:
            self.partial.remove()
            yield from self._transfer()

    def _refusal(self, error: TedApiError) -> Exception:
        passes = error.status in RETRYABLE_STATUSES or (self.partial.size and error.status == INTERNAL_ERROR)
        return DownloadInterrupted(error, at_least=error.retry_after) if passes else error

    def _fetch_redirected(self, link: str) -> Flow[None]:
        """The rest of the file from where the service keeps it; the key to the service is not for those there."""
        headers = {"Accept-Encoding": "identity", **self._range_headers()}
        head: ResponseHead = yield SendRequest(Request("GET", link, headers=headers))
        if head.status in RETRYABLE_STORE_STATUSES:
            verdict = ServiceUnreachable(f"{self.url} broke off: the object store answered {head.status}.")
            raise DownloadInterrupted(verdict, at_least=retry_after(head.headers))
        if head.status == RANGE_NOT_SATISFIABLE and self.partial.size:
            return
        yield from self._save(head)

    def _save(self, head: ResponseHead) -> Flow[None]:
        if head.status not in (OK, PARTIAL_CONTENT):
            raise DownloadBroken(f"The object store answered {head.status}. Download it again.")
        with self.partial.open_file(goes_on=head.status == PARTIAL_CONTENT) as file:
            while chunk := (yield ReadChunk()):
                file.write(chunk)


def _sha256(head: ResponseHead) -> str:
    """What the file's digest will be. Raises DownloadBroken where the answer does not tell."""
    found = next(filter(SHA256.fullmatch, _digests(head.headers)), None)
    if found is None:
        raise DownloadBroken(f"{head.url} does not tell the file's SHA-256: something between us changes its headers.")
    return found


def _digests(headers: httpx.Headers) -> Iterator[str]:
    """As Repr-Digest has it (RFC 9530), then as the ETag has it."""
    if told := DIGEST.search(headers.get("Repr-Digest", "")):
        with suppress(NotBase64):
            yield b64decode(told[1]).hex()
    yield headers.get("ETag", "").removeprefix("W/").strip('"')
