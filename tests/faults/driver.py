"""A client that logs each acknowledgement durably before it does anything else."""

import json
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from ted_client import Client, TedApiError
from ted_client.errors import ServiceUnreachable
from ted_client.retry import NO_RETRY

LONGEST_RETRY_SECONDS = 90
RETRY_SECONDS = 0.1
FIRST_SERVER_ERROR = 500

Body = Callable[[int], Mapping[str, Any]]
"""The request with this seed."""


@dataclass(frozen=True)
class Promise:
    """A submission that the service has acknowledged."""

    key: str
    seed: int
    job_id: str
    seconds: float
    """From the first try to the acknowledgement."""


class Driver:
    """Submits jobs from several threads; a request without a response is repeated under the same key."""

    def __init__(self, url: str, *, body: Body, log: Path, threads: int = 4) -> None:
        self.client, self.body = Client(url, retry=NO_RETRY), body
        self._file, self._lock = log.open("a"), Lock()
        self._threads, self._pending = ThreadPoolExecutor(threads), list[Future[Promise]]()

    def begin(self, seeds: Iterable[int]) -> None:
        """Start to submit a job for each of these seeds."""
        self._pending += [self._threads.submit(self._submit, seed, uuid.uuid4().hex) for seed in seeds]

    def promises(self) -> list[Promise]:
        """Wait until every submission is acknowledged, and return the acknowledgements."""
        return [future.result() for future in self._pending]

    def done(self) -> bool:
        """Say whether every submission has been acknowledged."""
        return all(future.done() for future in self._pending)

    def submit(self, seeds: Iterable[int]) -> list[Promise]:
        """Submit a job for each of these seeds; returns once all are acknowledged."""
        self.begin(seeds)
        return self.promises()

    def submit_without_reading(self, seed: int) -> None:
        """Submit a job twice under one key: the first time the connection breaks before the response can be read."""
        key = uuid.uuid4().hex
        _send_and_disconnect(self.client.url, self.body(seed), key)
        self._pending.append(self._threads.submit(self._submit, seed, key))

    def open_unread_events(self, job: Promise) -> socket.socket:
        """Return a connection that has requested the events of a job, and reads none of them."""
        return _connect_and_send(
            self.client.url, f"GET /v1/jobs/{job.job_id}/events HTTP/1.1", {"Accept": "text/event-stream"}
        )

    def _submit(self, seed: int, key: str) -> Promise:
        began = time.monotonic()
        while True:
            try:
                job_id = self.client.submit(self.body(seed), idempotency_key=key).id
            except (ServiceUnreachable, TedApiError) as error:
                _raise_if_final(error, began)
                time.sleep(RETRY_SECONDS)
            else:
                return self._log(Promise(key, seed, job_id, seconds=time.monotonic() - began))

    def _log(self, promise: Promise) -> Promise:
        with self._lock:
            self._file.write(json.dumps(asdict(promise)) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        return promise

    def close(self) -> None:
        """Give back threads, connections and the file."""
        self._threads.shutdown(cancel_futures=True)
        self.client.close()
        self._file.close()


def _raise_if_final(error: ServiceUnreachable | TedApiError, began: float) -> None:
    is_final = isinstance(error, TedApiError) and error.status < FIRST_SERVER_ERROR
    if is_final or time.monotonic() - began > LONGEST_RETRY_SECONDS:
        raise error


def _send_and_disconnect(url: str, body: Mapping[str, Any], key: str) -> None:
    content = json.dumps(body)
    headers = {"Content-Type": "application/json", "Idempotency-Key": key, "Content-Length": len(content)}
    _connect_and_send(url, "POST /v1/jobs HTTP/1.1", headers, content).close()


def _connect_and_send(url: str, request: str, headers: Mapping[str, object], content: str = "") -> socket.socket:
    """Return a connection over which this was sent and nothing read."""
    address = urlsplit(url)
    fields = [f"{name}: {value}" for name, value in {"Host": address.netloc, **headers}.items()]
    connection = socket.create_connection((address.hostname, address.port))
    connection.sendall("\r\n".join([request, *fields, "", content]).encode())
    return connection


def read_promises(log: Path) -> list[Promise]:
    """Read the log, which is all that a driver that crashed would know."""
    return [Promise(**json.loads(line)) for line in log.read_text().splitlines()]
