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
from tests.ted_client.scripted import Make, says, serving

BRIEF = RetryPolicy(0.5, jitter=lambda: 0.01)
BODY = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(BODY).hexdigest()


class Shelf:
    """A server with one file; ``breaks`` transfers stop half-way."""

    def __init__(self) -> None:
        self.breaks, self.etag, self.ranges = 0, SHA256, list[str | None]()
        self.status, self.busy = 200, 0
        self.url, self.elsewhere = "", False
        self.body, self.headers, self.keys = BODY, dict[str, str](), list[str | None]()

    def handler(self) -> type[BaseHTTPRequestHandler]:
        shelf = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with suppress(OSError):
                    shelf.answer(self)

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
        asked = request.headers["Range"]
        self.keys.append(request.headers["Authorization"])
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if asked and request.headers["If-Range"] not in (None, f'"{self.etag}"'):
            asked, start = None, 0
        if asked and start >= len(self.body):
            return request.send_error(416)
        rest = self.body[start:]
        request.send_response(206 if asked else self.status)
        for name, value in {"ETag": f'"{self.etag}"', "Content-Length": str(len(rest)), **self.headers}.items():
            request.send_header(name, value)
        request.end_headers()
        self.breaks -= 1
        request.wfile.write(rest[: len(rest) // 2] if self.breaks >= 0 else rest)
        request.close_connection = True
        return None


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def connected(shelf: Shelf, connect: Make) -> Iterator[Make]:
    """Makes a client of the shelf."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), shelf.handler())
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    shelf.url = f"http://127.0.0.1:{server.server_port}"
    yield lambda **settings: connect(shelf.url, **{"patience": BRIEF, **settings})
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


def parts_beside(target: Path) -> list[Path]:
    return [path for path in target.parent.iterdir() if path != target]


def test_the_file_arrives_whole(download: Callable[[], Path]) -> None:
    assert download().read_bytes() == BODY


def test_a_broken_transfer_is_taken_up_where_it_stopped(shelf: Shelf, download: Callable[[], Path]) -> None:
    shelf.breaks = 2

    path = download()

    assert path.read_bytes() == BODY
    assert shelf.ranges == [None, f"bytes={len(BODY) // 2}-", f"bytes={len(BODY) * 3 // 4}-"]


def test_a_line_that_always_breaks_is_given_up_on_and_leaves_no_manifest(
    shelf: Shelf, download: Callable[[], Path], target: Path
) -> None:
    shelf.breaks = 100

    with pytest.raises(ServiceUnreachable, match="broke off"):
        download()

    assert not target.exists()


def test_another_content_than_announced_is_refused(shelf: Shelf, download: Callable[[], Path], target: Path) -> None:
    shelf.etag = "0" * 64

    with pytest.raises(DownloadBroken, match="Download it again"):
        download()

    assert not target.exists()


def test_a_problem_that_is_no_json_is_still_told(shelf: Shelf, download: Callable[[], Path]) -> None:
    shelf.status = 502

    with pytest.raises(TedApiError, match="502"):
        download()


def test_a_store_that_is_busy_for_a_moment_is_asked_again(shelf: Shelf, download: Callable[[], Path]) -> None:
    """First as the transfer begins; it breaks; then as it is taken up."""
    shelf.elsewhere, shelf.busy, shelf.breaks = True, 1, 1

    path = download()

    assert path.read_bytes() == BODY
    assert shelf.ranges == [None, f"bytes={len(BODY) // 2}-"]


def test_a_store_that_stays_busy_is_given_up_on(shelf: Shelf, download: Callable[[], Path]) -> None:
    shelf.elsewhere, shelf.busy = True, 100

    with pytest.raises(ServiceUnreachable, match="the object store answered 503"):
        download()


def test_a_service_that_is_away_for_a_moment_while_a_transfer_is_taken_up_is_asked_again(
    shelf: Shelf, download: Callable[[], Path]
) -> None:
    shelf.breaks = 1
    give = shelf.give

    def then_busy(request: BaseHTTPRequestHandler) -> None:
        give(request)
        shelf.busy, shelf.give = 2, give  # type: ignore[method-assign]

    shelf.give = then_busy  # type: ignore[method-assign]

    assert download().read_bytes() == BODY


def given_up_on(shelf: Shelf, download: Callable[[], Path]) -> None:
    """A download that left half of the file."""
    shelf.breaks, give = 1, shelf.give

    def then_away(request: BaseHTTPRequestHandler) -> None:
        give(request)
        shelf.busy, shelf.give = 10**6, give  # type: ignore[method-assign]

    shelf.give = then_away  # type: ignore[method-assign]
    with pytest.raises((ServiceUnreachable, TedApiError)):
        download()
    shelf.busy = 0


@pytest.mark.parametrize("elsewhere", [False, True])
def test_another_process_goes_on_where_the_first_gave_up(
    shelf: Shelf, download: Callable[[], Path], target: Path, elsewhere: bool
) -> None:
    shelf.elsewhere = elsewhere
    given_up_on(shelf, download)
    left = parts_beside(target)

    assert download().read_bytes() == BODY
    assert [path.suffix for path in left] == [".partial"]
    assert parts_beside(target) == []
    assert shelf.ranges == [None, f"bytes={len(BODY) // 2}-"]


def test_what_was_left_of_another_file_is_thrown_away(shelf: Shelf, download: Callable[[], Path], target: Path) -> None:
    given_up_on(shelf, download)
    shelf.body = BODY[::-1]
    shelf.etag = hashlib.sha256(shelf.body).hexdigest()

    assert download().read_bytes() == shelf.body
    assert parts_beside(target) == []


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_file_that_only_lacked_its_name_gets_it(
    shelf: Shelf, download: Callable[[], Path], target: Path, elsewhere: bool
) -> None:
    shelf.elsewhere = elsewhere
    target.parent.mkdir()
    target.with_name(f"{target.name}.{SHA256}.partial").write_bytes(BODY)

    assert download().read_bytes() == BODY
    assert parts_beside(target) == []


def test_more_than_the_file_is_begun_anew(shelf: Shelf, download: Callable[[], Path], target: Path) -> None:
    target.parent.mkdir()
    target.with_name(f"{target.name}.{SHA256}.partial").write_bytes(BODY + b"more")

    assert download().read_bytes() == BODY


def test_a_damaged_part_is_found_out_and_does_not_stand_in_the_way(
    shelf: Shelf, download: Callable[[], Path], target: Path
) -> None:
    target.parent.mkdir()
    target.with_name(f"{target.name}.{SHA256}.partial").write_bytes(b"damaged")

    with pytest.raises(DownloadBroken):
        download()

    assert download().read_bytes() == BODY


def test_the_digest_counts_more_than_the_etag(shelf: Shelf, download: Callable[[], Path]) -> None:
    told = base64.b64encode(bytes.fromhex(SHA256)).decode()
    shelf.etag, shelf.headers = "version-7", {"Repr-Digest": f"sha-256=:{told}:"}

    assert download().read_bytes() == BODY


def test_an_answer_without_a_digest_is_refused(shelf: Shelf, download: Callable[[], Path], target: Path) -> None:
    shelf.etag = "version-7"

    with pytest.raises(DownloadBroken, match="does not tell"):
        download()

    assert list(target.parent.iterdir()) == []


def test_the_key_is_for_the_service_and_not_for_the_store(shelf: Shelf, connected: Make, target: Path) -> None:
    connected(key="ted_secret").download("job_1", target)
    shelf.elsewhere = True
    connected(key="ted_secret").download("job_1", target)

    assert shelf.keys == ["Bearer ted_secret", None]


def test_an_old_target_stays_until_the_new_one_is_whole(
    shelf: Shelf, download: Callable[[], Path], target: Path
) -> None:
    target.parent.mkdir()
    target.write_bytes(b"old")
    given_up_on(shelf, download)

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


def test_a_place_that_cannot_be_written_to_is_named(download: Callable[[], Path], target: Path) -> None:
    target.parent.write_text("a file where the folder should be")

    with pytest.raises(NotSaved, match="could not be written"):
        download()
