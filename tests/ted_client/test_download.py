"""A download is whole or it is not there, however often the line breaks."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ted_client import Client, TedApiError
from ted_client.errors import DownloadBroken, ServiceUnreachable

BODY = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(BODY).hexdigest()


class Shelf:
    """A server with one file; ``breaks`` transfers stop half-way."""

    def __init__(self) -> None:
        self.breaks, self.etag, self.ranges = 0, SHA256, list[str | None]()
        self.status = 200

    def handler(self) -> type[BaseHTTPRequestHandler]:
        shelf = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shelf.answer(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers["Range"]
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        rest = BODY[start:]
        request.send_response(206 if asked else self.status)
        request.send_header("ETag", f'"{self.etag}"')
        request.send_header("Content-Length", str(len(rest)))
        request.end_headers()
        self.breaks -= 1
        request.wfile.write(rest[: len(rest) // 2] if self.breaks >= 0 else rest)
        request.close_connection = True


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def client(shelf: Shelf) -> Iterator[Client]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), shelf.handler())
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    with Client(f"http://127.0.0.1:{server.server_port}") as client:
        yield client
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def download(client: Client, tmp_path: Path) -> Callable[[], Path]:
    return lambda: client.download("job_1", tmp_path / "folder" / "manifest.parquet")


def test_the_file_arrives_whole(download: Callable[[], Path]) -> None:
    assert download().read_bytes() == BODY


def test_a_broken_transfer_is_taken_up_where_it_stopped(shelf: Shelf, download: Callable[[], Path]) -> None:
    shelf.breaks = 2

    path = download()

    assert path.read_bytes() == BODY
    assert shelf.ranges == [None, f"bytes={len(BODY) // 2}-", f"bytes={len(BODY) * 3 // 4}-"]


def test_a_line_that_always_breaks_is_given_up_on_and_leaves_no_manifest(
    shelf: Shelf, download: Callable[[], Path], tmp_path: Path
) -> None:
    shelf.breaks = 100

    with pytest.raises(ServiceUnreachable, match="broke off"):
        download()

    assert not (tmp_path / "folder" / "manifest.parquet").exists()


def test_another_content_than_announced_is_refused(shelf: Shelf, download: Callable[[], Path], tmp_path: Path) -> None:
    shelf.etag = "0" * 64

    with pytest.raises(DownloadBroken, match="Download it again"):
        download()

    assert not (tmp_path / "folder" / "manifest.parquet").exists()


def test_a_problem_that_is_no_json_is_still_told(shelf: Shelf, download: Callable[[], Path]) -> None:
    shelf.status = 502

    with pytest.raises(TedApiError, match="502"):
        download()
