"""A download is whole or it is not there, however often the line breaks."""

import base64
import hashlib
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ted_client import RetryPolicy, TedApiError
from ted_client.errors import DownloadBroken, NotSaved, ServiceUnreachable
from tests.ted_client.scripted import Make, problem, says, serving

BRIEF = RetryPolicy(0.5, jitter=lambda: 0.01)
BODY = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(BODY).hexdigest()


class FileServer:
    """A server with one file; ``breaks`` transfers stop half-way."""

    def __init__(self) -> None:
        self.breaks, self.etag, self.ranges = 0, SHA256, list[str | None]()
        self.status, self.busy = 200, 0
        self.url, self.elsewhere = "", False
        self.body, self.headers, self.keys = BODY, dict[str, str](), list[str | None]()

    def handler(self) -> type[BaseHTTPRequestHandler]:
        file_server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with suppress(OSError):
                    file_server.answer(self)

            def finish(self) -> None:
                with suppress(OSError, ValueError):
                    super().finish()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if self.elsewhere and not request.path.startswith("/store"):
            return self.send_there(request, f"{self.url}/store/file")
        self.busy -= 1
        if self.busy >= 0:
            return request.send_error(503)
        return self.give(request)

    def send_there(self, request: BaseHTTPRequestHandler, link: str) -> None:
        request.send_response(307)
        for name, value in {"ETag": f'"{self.etag}"', "Location": link, "Content-Length": "0"}.items():
            request.send_header(name, value)
        request.end_headers()

    def give(self, request: BaseHTTPRequestHandler) -> None:
        range_header = request.headers["Range"]
        self.keys.append(request.headers["Authorization"])
        self.ranges.append(range_header)
        start = int(range_header.removeprefix("bytes=").rstrip("-")) if range_header else 0
        if range_header and request.headers["If-Range"] not in (None, f'"{self.etag}"'):
            range_header, start = None, 0
        if range_header and start >= len(self.body):
            return request.send_error(416)
        rest = self.body[start:]
        request.send_response(206 if range_header else self.status)
        for name, value in {"ETag": f'"{self.etag}"', "Content-Length": str(len(rest)), **self.headers}.items():
            request.send_header(name, value)
        request.end_headers()
        self.breaks -= 1
        request.wfile.write(rest[: len(rest) // 2] if self.breaks >= 0 else rest)
        request.close_connection = True
        return None


@pytest.fixture
def file_server() -> FileServer:
    return FileServer()


@pytest.fixture
def connected(file_server: FileServer, connect: Make) -> Iterator[Make]:
    """Makes a client of the file server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), file_server.handler())
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    file_server.url = f"http://127.0.0.1:{server.server_port}"
    yield lambda **settings: connect(file_server.url, **{"retry": BRIEF, **settings})
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def download(connected: Make, target: Path) -> Callable[[], Path]:
    """Downloads with a new client each time, as another process would."""
    return lambda: connected().download("job_1", target)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "manifest.parquet"


def partial_files(target: Path) -> list[Path]:
    return [path for path in target.parent.iterdir() if path != target]


def test_the_file_arrives_whole(download: Callable[[], Path]) -> None:
    assert download().read_bytes() == BODY


def test_a_broken_transfer_is_resumed_where_it_stopped(file_server: FileServer, download: Callable[[], Path]) -> None:
    file_server.breaks = 2

    path = download()

    assert path.read_bytes() == BODY
    assert file_server.ranges == [None, f"bytes={len(BODY) // 2}-", f"bytes={len(BODY) * 3 // 4}-"]


def test_a_transfer_that_keeps_breaking_fails_and_leaves_no_manifest(
    file_server: FileServer, download: Callable[[], Path], target: Path
) -> None:
    file_server.breaks = 100

    with pytest.raises(ServiceUnreachable, match="broke off"):
        download()

    assert not target.exists()


def test_content_with_another_digest_than_announced_is_refused(
    file_server: FileServer, download: Callable[[], Path], target: Path
) -> None:
    file_server.etag = "0" * 64

    with pytest.raises(DownloadBroken, match="Download it again"):
        download()

    assert not target.exists()
    assert file_server.ranges == [None, None]


def test_an_error_response_without_json_still_raises_an_api_error(
    file_server: FileServer, download: Callable[[], Path]
) -> None:
    file_server.status = 502

    with pytest.raises(TedApiError, match="502"):
        download()


def test_a_temporarily_busy_object_store_is_retried(file_server: FileServer, download: Callable[[], Path]) -> None:
    """First as the transfer begins; it breaks; then as it is taken up."""
    file_server.elsewhere, file_server.busy, file_server.breaks = True, 1, 1

    path = download()

    assert path.read_bytes() == BODY
    assert file_server.ranges == [None, f"bytes={len(BODY) // 2}-"]


def test_an_object_store_that_stays_busy_makes_the_download_fail(
    file_server: FileServer, download: Callable[[], Path]
) -> None:
    file_server.elsewhere, file_server.busy = True, 100

    with pytest.raises(ServiceUnreachable, match="the object store answered 503"):
        download()


def test_a_service_that_is_temporarily_away_while_a_transfer_resumes_is_retried(
    file_server: FileServer, download: Callable[[], Path]
) -> None:
    file_server.breaks = 1
    give = file_server.give

    def then_busy(request: BaseHTTPRequestHandler) -> None:
        give(request)
        file_server.busy, file_server.give = 2, give  # type: ignore[method-assign]

    file_server.give = then_busy  # type: ignore[method-assign]

    assert download().read_bytes() == BODY


def interrupted(file_server: FileServer, download: Callable[[], Path]) -> None:
    """A download that left half of the file."""
    file_server.breaks, give = 1, file_server.give

    def then_away(request: BaseHTTPRequestHandler) -> None:
        give(request)
        file_server.busy, file_server.give = 10**6, give  # type: ignore[method-assign]

    file_server.give = then_away  # type: ignore[method-assign]
    with pytest.raises((ServiceUnreachable, TedApiError)):
        download()
    file_server.busy = 0


@pytest.mark.parametrize("elsewhere", [False, True])
def test_another_process_resumes_where_the_first_gave_up(
    file_server: FileServer, download: Callable[[], Path], target: Path, elsewhere: bool
) -> None:
    file_server.elsewhere = elsewhere
    interrupted(file_server, download)
    left = partial_files(target)

    assert download().read_bytes() == BODY
    assert [path.suffix for path in left] == [".partial"]
    assert partial_files(target) == []
    assert file_server.ranges == [None, f"bytes={len(BODY) // 2}-"]


def test_the_partial_file_of_other_content_is_discarded(
    file_server: FileServer, download: Callable[[], Path], target: Path
) -> None:
    interrupted(file_server, download)
    file_server.body = BODY[::-1]
    file_server.etag = hashlib.sha256(file_server.body).hexdigest()

    assert download().read_bytes() == file_server.body
    assert partial_files(target) == []


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_complete_partial_file_is_renamed_to_the_target(
    file_server: FileServer, download: Callable[[], Path], target: Path, elsewhere: bool
) -> None:
    file_server.elsewhere = elsewhere
    target.parent.mkdir()
    target.with_name(f"{target.name}.{SHA256}.partial").write_bytes(BODY)

    assert download().read_bytes() == BODY
    assert partial_files(target) == []


def test_a_partial_file_larger_than_the_file_is_downloaded_again(
    file_server: FileServer, download: Callable[[], Path], target: Path
) -> None:
    target.parent.mkdir()
    target.with_name(f"{target.name}.{SHA256}.partial").write_bytes(BODY + b"more")

    assert download().read_bytes() == BODY


def test_a_damaged_partial_file_is_detected_and_the_whole_file_transferred(
    file_server: FileServer, download: Callable[[], Path], target: Path
) -> None:
    target.parent.mkdir()
    target.with_name(f"{target.name}.{SHA256}.partial").write_bytes(b"damaged")

    assert download().read_bytes() == BODY
    assert file_server.ranges == ["bytes=7-", None]


def test_a_file_that_the_service_has_lost_is_reported_and_its_partial_file_removed(
    file_server: FileServer, download: Callable[[], Path], target: Path
) -> None:
    file_server.breaks, give = 1, file_server.give

    def then_lost(request: BaseHTTPRequestHandler) -> None:
        give(request)
        file_server.give = problem(410, "artifact_lost")  # type: ignore[method-assign]

    file_server.give = then_lost  # type: ignore[method-assign]

    with pytest.raises(TedApiError, match="artifact_lost") as lost:
        download()

    assert lost.value.code == "artifact_lost"
    assert list(target.parent.iterdir()) == []


def test_repr_digest_takes_precedence_over_the_etag(file_server: FileServer, download: Callable[[], Path]) -> None:
    digest = base64.b64encode(bytes.fromhex(SHA256)).decode()
    file_server.etag, file_server.headers = "version-7", {"Repr-Digest": f"sha-256=:{digest}:"}

    assert download().read_bytes() == BODY


def test_a_response_without_a_digest_is_refused(
    file_server: FileServer, download: Callable[[], Path], target: Path
) -> None:
    file_server.etag = "version-7"

    with pytest.raises(DownloadBroken, match="does not tell"):
        download()

    assert list(target.parent.iterdir()) == []


def test_the_key_is_sent_to_the_service_and_not_to_the_object_store(
    file_server: FileServer, connected: Make, target: Path
) -> None:
    connected(key="ted_secret").download("job_1", target)
    file_server.elsewhere = True
    connected(key="ted_secret").download("job_1", target)

    assert file_server.keys == ["Bearer ted_secret", None]


def test_an_old_target_stays_until_the_new_file_is_complete(
    file_server: FileServer, download: Callable[[], Path], target: Path
) -> None:
    target.parent.mkdir()
    target.write_bytes(b"old")
    interrupted(file_server, download)

    assert target.read_bytes() == b"old"
    assert download().read_bytes() == BODY


def test_a_large_file_takes_little_memory(connect: Make, tmp_path: Path) -> None:
    size, piece = 1 << 28, bytes(1 << 20)
    digest = hashlib.sha256()
    for _ in range(size // len(piece)):
        digest.update(piece)

    def answer(to: BaseHTTPRequestHandler) -> None:
        says(200, ETag=f'"{digest.hexdigest()}"', Content_Length=str(size))(to)
        for _ in range(size // len(piece)):
            to.wfile.write(piece)

    with serving(answer) as script:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        path = connect(script.url).download("job_1", tmp_path / "large")
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert path.stat().st_size == size
    assert (after - before) * 1024 < size / 4


def test_a_target_that_cannot_be_written_raises_not_saved(download: Callable[[], Path], target: Path) -> None:
    target.parent.write_text("a file where the folder should be")

    with pytest.raises(NotSaved, match="could not be written"):
        download()
