"""Object stores for tests: real ones, as processes of their own, and ones that give prescribed responses."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import boto3
import pytest
from pyarrow import fs

from ted_core.storage.object_store import filesystem
from tests.servers.stacks import until

BUCKET = "datasets"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


@dataclass(frozen=True)
class Store:
    """A server that speaks S3, with a bucket in it."""

    url: str
    scheme: ClassVar[str] = "s3"

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment variables by which a process finds it."""
        return KEYS | {"AWS_ENDPOINT_URL": self.url}

    def upload(self, path: Path, *, to: str) -> str:
        """Upload a file, or a folder with everything in it, and return its URI."""
        fs.copy_files(str(path), f"{BUCKET}/{to}", fs.LocalFileSystem(), self._filesystem())
        return f"{self.scheme}://{BUCKET}/{to}"

    def write(self, content: bytes, *, to: str) -> str:
        """Write a new object, whatever its key, and return its URI."""
        keys = {"aws_access_key_id": KEYS["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": KEYS["AWS_SECRET_ACCESS_KEY"]}
        client = boto3.client("s3", endpoint_url=self.url, region_name=KEYS["AWS_REGION"], **keys)
        client.put_object(Bucket=BUCKET, Key=to, Body=content)
        return f"{self.scheme}://{BUCKET}/{to}"

    def make_bucket(self) -> None:
        """Make the bucket."""
        self._filesystem().create_dir(BUCKET)

    def _filesystem(self) -> fs.FileSystem:
        return fs.S3FileSystem(
            access_key=KEYS["AWS_ACCESS_KEY_ID"],
            secret_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            region=KEYS["AWS_REGION"],
            scheme="http",
            endpoint_override=self.url.removeprefix("http://"),
            allow_bucket_creation=True,
        )


@dataclass(frozen=True)
class GoogleStore(Store):
    """A server that speaks the protocol of Google Cloud Storage."""

    scheme: ClassVar[str] = "gs"

    @property
    def environment(self) -> Mapping[str, str]:
        return {"STORAGE_EMULATOR_HOST": self.url}

    def write(self, content: bytes, *, to: str) -> str:
        with self._filesystem().open_output_stream(f"{BUCKET}/{to}") as file:
            file.write(content)
        return f"{self.scheme}://{BUCKET}/{to}"

    def _filesystem(self) -> fs.FileSystem:
        host = self.url.removeprefix("http://")
        return fs.GcsFileSystem(anonymous=True, scheme="http", endpoint_override=host)


@contextmanager
def google() -> Iterator[Store]:
    """Yield a store of Google's kind with an empty bucket."""
    port = free_port()
    options = ["start", "--host=127.0.0.1", f"--port={port}", "--in-memory", f"--default-bucket={BUCKET}"]
    with _run_server(["-m", "gcp_storage_emulator", *options], port):
        yield GoogleStore(f"http://127.0.0.1:{port}")


@contextmanager
def s3() -> Iterator[Store]:
    """Yield a store with an empty bucket; it forgets everything at the end."""
    port = free_port()
    with _run_server(["-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port):
        store = Store(f"http://127.0.0.1:{port}")
        store.make_bucket()
        yield store


KINDS = {"s3": s3, "gs": google}


@contextmanager
def _run_server(arguments: list[str], port: int) -> Iterator[None]:
    """Run a server written in Python for the length of the block, which begins once it listens."""
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            until(lambda: listens(port), seconds=60)
            yield
        finally:
            server.terminate()


def listens(port: int) -> bool:
    """Say whether a server accepts connections on this port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def reached(environment: Mapping[str, str]) -> Iterator[None]:
    """Let this process find the store that the environment describes, and no other."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "STORAGE_"))]:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        filesystem.cache_clear()
        yield
    filesystem.cache_clear()


StoreResponse = Callable[[str, str], tuple[int, bytes]]
"""A request's method and the bytes it asks for → status and body; a body of HEAD only tells its length."""


@contextmanager
def answering(answer: StoreResponse) -> Iterator[None]:
    """Let the store that this process finds give these responses."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer(self.command, self.headers.get("Range", ""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        with reached(Store(f"http://127.0.0.1:{server.server_port}").environment):
            yield
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


@contextmanager
def silent() -> Iterator[None]:
    """Let the store that this process finds accept connections and never respond."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        with reached(Store(f"http://127.0.0.1:{listener.getsockname()[1]}").environment):
            yield
