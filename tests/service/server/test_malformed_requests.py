"""What is not one unambiguous HTTP request is refused with a problem, and its connection is closed."""

import json
import socket
import time
from collections.abc import Iterator

import psutil
import pytest

from ted_jobs.settings import Settings
from tests.servers.databases import migrated
from tests.service.processes import ApiProcess, api_process

HOST = b"Host: ted\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: ted\r\n\r\n"
POST = b"POST /v1/jobs HTTP/1.1\r\nHost: ted\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home, dataset_roots=(home,), auth="open")
    with migrated(settings.database), api_process(settings, log=home / "api.log") as api:
        yield api


def answer_to(api: ApiProcess, request: bytes) -> bytes:
    """All that comes until the server closes the connection."""
    answer = b""
    with socket.create_connection(api.listener.getsockname(), timeout=10) as connection:
        connection.sendall(request)
        while part := connection.recv(1 << 16):
            answer += part
    return answer


MALFORMED = {
    "Content-Length and Transfer-Encoding": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding and Content-Length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding in HTTP/1.0": b"POST /v1/jobs HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}",
    "a list of lengths": POST + b"Content-Length: 2, 40\r\n\r\n{}",
    "a signed length": POST + b"Content-Length: +2\r\n\r\n{}",
    "a hexadecimal length": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "a length with a space in it": POST + b"Content-Length: 2 0\r\n\r\n{}",
    "a length of 21 digits": POST + b"Content-Length: " + 21 * b"9" + b"\r\n\r\n{}",
    "two transfer codings": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a coding with a tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": POST + b"Content-Length : 2\r\n\r\n{}",
    "a fold before the first header": b"GET /healthz HTTP/1.1\r\n Content-Length: 40\r\nHost: ted\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: ted\r\nHost: other\r\n\r\n",
    "NUL in a header": b"GET /healthz HTTP/1.1\r\nHost: ted\r\nX-A: a\0b\r\n\r\n",
    "a carriage return in a header": b"GET /healthz HTTP/1.1\r\nHost: ted\r\nX-A: a\rContent-Length: 40\r\n\r\n",
    "an empty name": b"GET /healthz HTTP/1.1\r\nHost: ted\r\n: a\r\n\r\n",
    "a header without a colon": b"GET /healthz HTTP/1.1\r\nHost: ted\r\nContent-Length\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another version": b"GET /healthz HTTP/1.10\r\nHost: ted\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "an absurd chunk": CHUNKED + b"-1\r\na\r\n0\r\n\r\n",
    "a chunk in two bases": CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
    "a chunk with another end": CHUNKED + b"2\r\n{}XX0\r\n\r\n",
    "a chunk of 21 digits": CHUNKED + 21 * b"f" + b"\r\n",
    "a thousand tiny chunks and more": CHUNKED + 3000 * b"1\r\n{\r\n",
}
"""Each of these may hide a second request from one of two programs, or is no HTTP at all."""


@pytest.mark.parametrize("name", MALFORMED)
def test_what_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read(api: ApiProcess, name: str) -> None:
    answer = answer_to(api, MALFORMED[name] + HIDDEN)

    assert_is_problem(answer, status=400, code="malformed_request")


def assert_is_problem(answer: bytes, *, status: int, code: str) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    problem = json.loads(body)
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert {b"content-type: application/problem+json", b"connection: close"} <= set(head.lower().split(b"\r\n"))
    assert (problem["code"], problem["status"], problem["type"]) == (code, status, f"urn:ted:problem:{code}")
    assert problem["instance"].removeprefix("urn:ted:request:").encode() in head


def test_a_refusal_to_head_has_no_body(api: ApiProcess) -> None:
    head = b"HEAD /healthz HTTP/1.1\r\nHost: ted\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"

    answer = answer_to(api, head)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"\r\n\r\n")


LONG_HEADS = {
    "a long header": b"GET /healthz HTTP/1.1\r\nHost: ted\r\nX-A: " + 20_000 * b"a" + b"\r\n\r\n",
    "many headers": b"GET /healthz HTTP/1.1\r\nHost: ted\r\n" + 3000 * b"X-A: aa\r\n" + b"\r\n",
    "a long path": b"GET /" + 20_000 * b"a" + b" HTTP/1.1\r\nHost: ted\r\n\r\n",
    "a header without an end": b"GET /healthz HTTP/1.1\r\nHost: ted\r\nX-A: " + 40_000 * b"a",
    "spaces without an end": b"GET /healthz HTTP/1.1\r\nHost: ted\r\nX-A:" + 250_000 * b" ",
    "a long trailer": CHUNKED + b"2\r\n{}\r\n0\r\nX-A: " + 40_000 * b"a",
}


@pytest.mark.parametrize("name", LONG_HEADS)
def test_headers_of_more_than_16_kb_are_refused(api: ApiProcess, name: str) -> None:
    assert_is_problem(answer_to(api, LONG_HEADS[name]), status=431, code="headers_too_large")


ACCEPTABLE = {
    "a length that is repeated": b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a header that is folded": b"X-A: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
    "chunks with an extension and a trailer": b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nX-A: b\r\n\r\n",
    "hundreds of small chunks": b"Transfer-Encoding: chunked\r\n\r\n" + 500 * b"1\r\n \r\n" + b"2\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", ACCEPTABLE)
def test_what_has_one_meaning_only_reaches_the_app(api: ApiProcess, name: str) -> None:
    answer = answer_to(api, POST + b"Connection: close\r\n" + ACCEPTABLE[name])

    assert answer.startswith(b"HTTP/1.1 422 ")
    assert b'"code":"invalid_request"' in answer


HEAVY = {
    **LONG_HEADS,
    "tiny chunks": CHUNKED + 40_000 * b"1\r\n{\r\n",
    "empty headers": b"GET /healthz HTTP/1.1\r\nHost: ted\r\n" + 60_000 * b"a:\r\n",
    "tabs and letters": b"GET /healthz HTTP/1.1\r\nHost: ted\r\nX-A: " + 7_000 * b"\ta" + b"\r\n\r\n",
    "folds": b"GET /healthz HTTP/1.1\r\nHost: ted\r\nX-A: a\r\n" + 5_000 * b" \r\n" + b"\r\n",
}


def test_no_request_takes_much_of_the_processor_before_its_refusal(api: ApiProcess) -> None:
    server = psutil.Process(api.process.pid if api.process else 0)
    for name, request in HEAVY.items():
        before = sum(server.cpu_times()[:2])
        with socket.create_connection(api.listener.getsockname(), timeout=10) as connection:
            try:
                connection.sendall(request)
                connection.recv(1 << 16)
            except ConnectionError:
                pass
        assert sum(server.cpu_times()[:2]) - before < 0.3, name


def test_the_log_holds_no_traceback_of_what_strangers_send(api: ApiProcess) -> None:
    early = b"GET /healthz HTTP/1.1\r\nHost: ted\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(api.listener.getsockname(), timeout=10) as connection:
        connection.sendall(early)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"no chunk\r\n")
        connection.recv(1 << 16)
    time.sleep(0.2)

    assert "Traceback" not in api.log.read_text()
    assert '"level": "error"' not in api.log.read_text()
