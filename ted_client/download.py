"""A download that can be interrupted: taken up where it stopped, and checked before it gets its name."""

import hashlib
from pathlib import Path

import httpx

from ted_client.errors import DownloadBroken, ServiceUnreachable, TedApiError, problem_of

ATTEMPTS = 5
PARTIAL_CONTENT, ELSEWHERE, FIRST_ERROR = 206, 307, 400


class Download:
    """One file from a URL whose ETag is the SHA-256 of its bytes."""

    def __init__(self, http: httpx.Client, url: str, path: Path, *, accept: str = "*/*") -> None:
        self.http, self.url, self.path, self.accept = http, url, path, accept
        self.partial = path.with_name(path.name + ".partial")
        self.sha256 = ""

    def run(self) -> Path:
        """The path, once the whole file lies there. Raises TedApiError, ServiceUnreachable, DownloadBroken."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.partial.unlink(missing_ok=True)
        self._transfer_with_patience()
        with self.partial.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self.sha256:
            raise DownloadBroken(f"{self.url} arrived with SHA-256 {found}, not {self.sha256}. Download it again.")
        return self.partial.replace(self.path)

    def _transfer_with_patience(self) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._transfer()
            except httpx.TransportError as error:
                if attempt == ATTEMPTS:
                    raise ServiceUnreachable(f"{self.url} broke off {ATTEMPTS} times ({error}).") from error
            else:
                return

    def _transfer(self) -> None:
        """Fetch what is still missing."""
        done = self.partial.stat().st_size if self.partial.exists() else 0
        rest = {"Range": f"bytes={done}-", "If-Range": f'"{self.sha256}"'} if done else {}
        with self.http.stream("GET", self.url, headers={"Accept": self.accept} | rest) as response:
            if response.status_code >= FIRST_ERROR:
                response.read()
                raise TedApiError(problem_of(response))
            self.sha256 = response.headers["ETag"].strip('"')
            if response.status_code == ELSEWHERE:
                self._fetch(response.headers["Location"], done)
            else:
                self._save(response)

    def _fetch(self, link: str, done: int) -> None:
        """The rest of the file from where the service keeps it; the key to the service is not for those there."""
        with httpx.stream("GET", link, headers={"Range": f"bytes={done}-"} if done else {}) as response:
            if response.status_code >= FIRST_ERROR:
                raise DownloadBroken(f"The object store answered {response.status_code}. Download it again.")
            self._save(response)

    def _save(self, response: httpx.Response) -> None:
        with self.partial.open("ab" if response.status_code == PARTIAL_CONTENT else "wb") as file:
            for chunk in response.iter_bytes():
                file.write(chunk)
