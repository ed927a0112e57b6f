"""Clients that open many connections and use none, send slowly, or read nothing: others are served meanwhile."""

import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import httpx
import psutil
import pytest

from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.jobs.leases import Leases
from ted_jobs.settings import Settings
from tests.servers.databases import migrated
from tests.servers.stacks import until
from tests.service.conftest import Json
from tests.service.processes import ApiProcess, api_process

HALF_SENT = b"GET /v1/jobs HTTP/1.1\r\nHost: ted\r\nX-Slow: "
HALF_POSTED = b"POST /v1/jobs HTTP/1.1\r\nHost: ted\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n"
GET_EVENTS = "GET {path} HTTP/1.1\r\nHost: ted\r\nAccept: text/event-stream\r\n\r\n"
SHORT = {"TED_HEAD_SECONDS": "1", "TED_BODY_SECONDS": "1", "TED_SEND_SECONDS": "1", "TED_KEEP_ALIVE_SECONDS": "1"}


@pytest.fixture(autouse=True, scope="module")
def many_files() -> None:
    """This process opens more than a thousand connections itself."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def connect(api: ApiProcess) -> socket.socket:
    connection = socket.create_connection(api.listener.getsockname(), timeout=20)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


@contextmanager
def connections(api: ApiProcess, number: int, begin: bytes) -> Iterator[list[socket.socket]]:
    """So many connections that have sent this."""
    with ExitStack() as stack:
        opened = []
        for _ in range(number):
            opened.append(stack.enter_context(connect(api)))
            opened[-1].sendall(begin)
        yield opened


def received(connection: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    answer = b""
    try:
        while part := connection.recv(1 << 16):
            answer += part
    except ConnectionResetError:
        pass
    return answer


def slowest_read(api: ApiProcess, url: str, *, requests: int) -> float:
    """The 95th percentile of the seconds that a new connection and a request take."""
    seconds = []
    for _ in range(requests):
        began = time.monotonic()
        connection = HTTPConnection(*api.listener.getsockname(), timeout=20)
        connection.request("GET", httpx.URL(url).path)
        assert connection.getresponse().status == 200
        connection.close()
        seconds.append(time.monotonic() - began)
    return sorted(seconds)[int(requests * 0.95)]


def submitted(api: ApiProcess, body: Json) -> str:
    """The URL of a new job."""
    answer = httpx.post(f"{api.url}/v1/jobs", json=body).raise_for_status()
    return f"{api.url}{answer.json()['links']['self']}"


@pytest.mark.usefixtures("engine")
def test_a_thousand_half_sent_requests_do_not_keep_others_out(
    settings: Settings, submission: Callable[..., Json], tmp_path: Path
) -> None:
    with api_process(settings, log=tmp_path / "api.log", open_files=1024) as api:
        job = submitted(api, submission())
        idle = slowest_read(api, job, requests=100)

        with connections(api, 1100, HALF_SENT):
            attacked = slowest_read(api, job, requests=100)
            open_files = psutil.Process(api.process.pid).num_fds()

    assert attacked < 10 * idle
    assert open_files < 1024
    assert len((tmp_path / "api.log").read_bytes()) < 200_000


@pytest.fixture(scope="module")
def impatient(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ApiProcess, Leases]]:
    """A service that waits for nothing longer than a second, and what its worker would use."""
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home, dataset_roots=(data,), auth="open")
    with migrated(settings.database) as engine, api_process(settings, log=home / "api.log", **SHORT) as api:
        yield api, Leases(engine)


@pytest.mark.parametrize("beginning", [HALF_SENT, HALF_POSTED], ids=["headers", "body"])
def test_a_request_that_drips_is_ended(impatient: tuple[ApiProcess, Leases], beginning: bytes) -> None:
    with connections(impatient[0], 1, beginning) as (connection,):
        answer = dripped_answer(connection)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request_timed_out"' in answer
    assert b"connection: close" in answer.lower()


def dripped_answer(connection: socket.socket) -> bytes:
    """What is answered while a byte is sent every 200 ms."""
    connection.settimeout(0.2)
    for _ in range(50):
        connection.sendall(b"a")
        try:
            return connection.recv(1 << 16)
        except TimeoutError:
            pass
    return b""


def test_a_connection_without_a_request_is_closed(impatient: tuple[ApiProcess, Leases]) -> None:
    with connections(impatient[0], 2, b"") as (silent, used):
        used.sendall(b"GET /healthz HTTP/1.1\r\nHost: ted\r\n\r\n")

        assert received(silent) == b""
        assert received(used).count(b"HTTP/1.1 200 ") == 1


def test_a_client_that_reads_nothing_is_disconnected(
    impatient: tuple[ApiProcess, Leases], submission: Callable[..., Json]
) -> None:
    api, leases = impatient
    size = 64 << 20  # more than the kernel buffers
    job = submitted(api, submission())
    publish(api.settings, leases, job.rpartition("/")[2], size=size)
    path = f"{httpx.URL(job).path}/manifest"
    with connections(api, 3, f"GET {path} HTTP/1.1\r\nHost: ted\r\n\r\n".encode()) as readers:
        server = psutil.Process(api.process.pid if api.process else 0)
        until(lambda: sum("manifest" in file.path for file in server.open_files()) == 3, seconds=20)

        until(lambda: not any("manifest" in file.path for file in server.open_files()), seconds=20)
        assert len(received(readers[0])) < size
    assert len(httpx.get(f"{job}/manifest").content) == size


def publish(settings: Settings, leases: Leases, job_id: str, *, size: int) -> None:
    """Let the job succeed with a manifest of this size."""
    claim = leases.claim(job_id, worker="w")
    assert claim
    file = settings.home / "new-manifest.parquet"
    file.write_bytes(bytes(size))
    leases.begin_finalizing(claim)
    store = ArtifactStore(settings.artifacts)
    published = store.put_attempt_file(file, job_id=job_id, token=claim.token, kind="manifest")
    leases.finish(claim, published=[published], result={})


@pytest.mark.usefixtures("engine")
def test_a_key_may_hold_only_so_many_requests_open(
    settings: Settings, submission: Callable[..., Json], tmp_path: Path
) -> None:
    with api_process(settings, log=tmp_path / "api.log", TED_MOST_STREAMS="5") as api:
        job = submitted(api, submission())
        request = GET_EVENTS.format(path=f"{httpx.URL(job).path}/events").encode()
        with connections(api, 5, request) as streams:
            for stream in streams:
                assert stream.recv(1 << 16).startswith(b"HTTP/1.1 200 ")

            refused = httpx.get(f"{job}/events", headers={"Accept": "text/event-stream"})
            at_once = httpx.get(job, headers={"Prefer": "wait=20", "If-None-Match": '"1"'}, timeout=10)

        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
        assert int(refused.headers["Retry-After"]) > 0
        assert (at_once.status_code, "Preference-Applied" in at_once.headers) == (304, False)
        until(lambda: _opens_a_stream(api, request), seconds=10)


def _opens_a_stream(api: ApiProcess, request: bytes) -> bool:
    with connections(api, 1, request) as (stream,):
        return stream.recv(1 << 16).startswith(b"HTTP/1.1 200 ")


@pytest.mark.usefixtures("engine")
def test_a_proxy_on_the_same_machine_may_have_more_connections_than_an_address(
    settings: Settings, tmp_path: Path
) -> None:
    limits = {"TED_MOST_CONNECTIONS": "10", "TED_MOST_CONNECTIONS_PER_ADDRESS": "1"}
    with (
        api_process(settings, log=tmp_path / "api.log", **limits) as api,
        connections(api, 8, HALF_SENT) as begun,
    ):
        assert httpx.get(f"{api.url}/healthz").status_code == 200
        for connection in begun:
            connection.sendall(b"\r\n\r\n")
            assert connection.recv(1 << 16).startswith(b"HTTP/1.1 ")


@pytest.mark.usefixtures("engine")
def test_connections_beyond_the_limit_are_refused_while_all_others_are_served(
    settings: Settings, submission: Callable[..., Json], tmp_path: Path
) -> None:
    limits = {"TED_MOST_CONNECTIONS": "10", "TED_MOST_CONNECTIONS_PER_ADDRESS": "5", "FORWARDED_ALLOW_IPS": ""}
    with api_process(settings, log=tmp_path / "api.log", **limits) as api:
        job = submitted(api, submission())
        request = GET_EVENTS.format(path=f"{httpx.URL(job).path}/events").encode()
        with connections(api, 5, request) as streams:
            for stream in streams:
                assert stream.recv(1 << 16).startswith(b"HTTP/1.1 200 ")

            with connect(api) as sixth:
                sixth.sendall(request)
                answer = received(sixth)
            transport = httpx.HTTPTransport(local_address="127.0.0.2")
            with httpx.Client(transport=transport) as elsewhere:
                other = elsewhere.get(job)

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 5" in answer.lower()
    assert b'"code":"too_many_connections"' in answer
    assert other.status_code == 200


@pytest.mark.slow
@pytest.mark.usefixtures("engine")
def test_a_process_that_runs_out_of_files_says_so_once_and_recovers(settings: Settings, tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with api_process(settings, log=log, open_files=128, TED_MOST_CONNECTIONS="1000") as api:
        before = log.stat().st_size

        with connections(api, 300, HALF_SENT):
            until(lambda: "no more files can be opened" in log.read_text(), seconds=20)
            used = psutil.Process(api.process.pid).cpu_times().user
            time.sleep(2)
            used = psutil.Process(api.process.pid).cpu_times().user - used

        assert httpx.get(f"{api.url}/healthz", timeout=20).status_code == 200
        assert log.read_text().count("no more files can be opened") == 1
        assert log.stat().st_size - before < 20_000
        assert used < 1
