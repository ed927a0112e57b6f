"""``python -m tests.faults.tenants.attacks NAME URL KEY FOLDER``: what one tenant can do to the others, until killed.

Each attack has its key's usual limits, and only what any client can send: requests, files in a folder that may hold
datasets, webhooks. It prints one line when it has begun.
"""

import gzip
import json
import os
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

PATIENCE = 60.0
"""Seconds for which it waits for an answer; what it has asked for costs the service at least as long."""
PAUSE, HOLD_PAUSE = 0.2, 0.01
OWN_ADDRESS = "127.0.0.2"
"""Another than the neighbour's: limits may count by address."""
MARK_BYTES, TRIED = 8, 150
ROWS_OF_A_MEMBER, MEMBERS = 1_000_000, 16
CRASHES, WEBHOOKS, HALF_SENT, STREAMS, SCANS = 8, 20, 1_100, 300, 45

Step = Callable[[], object]


@dataclass(frozen=True)
class Attacker:
    """A tenant with a key, and a folder in which it may write."""

    url: str
    key: str
    folder: Path
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=PATIENCE, transport=transport()))

    def request(self, method: str, path: str, body: object = None, **headers: str) -> dict[str, Any]:
        """Return the answer's JSON. If it is refused, return nothing, after a pause: this process is not to be busy."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers |= {"Authorization": f"Bearer {self.key}"}
        with suppress(httpx.HTTPError, json.JSONDecodeError):
            response = self.http.request(method, f"{self.url}{path}", json=body, headers=headers)
            if response.is_success:
                return dict(response.json())
        time.sleep(PAUSE)
        return {}

    def estimate(self, uri: str, **dataset: str) -> None:
        """Ask what a job on this dataset would take, which makes the service look at it."""
        self.request("POST", "/v1/jobs?validate_only=true", job_on(uri, **dataset))

    def submit(self, uri: str, **metadata: str) -> str:
        """Submit a job and return its id; none if there is no answer."""
        job_id: str = self.request("POST", "/v1/jobs", job_on(uri) | {"metadata": metadata}).get("id", "")
        return job_id

    def submit_first(self, uri: str, **metadata: str) -> str:
        """Submit a job and return its id: such jobs are accepted."""
        job_id = self.submit(uri, **metadata)
        assert job_id
        return job_id

    def connect(self) -> socket.socket:
        """Return a connection over which nothing has been sent."""
        address = urlsplit(self.url)
        return socket.create_connection(
            (address.hostname, address.port), timeout=PATIENCE, source_address=(OWN_ADDRESS, 0)
        )

    def table(self) -> str:
        """Write a small table, and return its path."""
        path = self.folder / "table.parquet"
        pq.write_table(pa.table({"x": [0.0, 1.0] * 9, "label": [0, 1] * 9}), path)
        return str(path)


def transport() -> httpx.HTTPTransport:
    """Return a transport for as many connections as are asked for, all from the attacker's own address."""
    return httpx.HTTPTransport(local_address=OWN_ADDRESS, limits=httpx.Limits(max_connections=None))


def job_on(uri: str, **dataset: str) -> dict[str, Any]:
    """Return a small job on this dataset."""
    return {
        "dataset": {"uri": uri, "task": "tabular-classification", "target": "label", **dataset},
        "proxy": {"name": "mlp", "epochs": 2},
        "plan": {"keep_ratio": 0.5, "q": 1},
    }


# --- requests and files -----------------------------------------------------------------------------------------------


def patterns(attacker: Attacker) -> Iterator[Step]:
    """Ask for the files that match forty stars."""
    folder = attacker.folder / "shards"
    folder.mkdir()
    attacker.table()
    (attacker.folder / "table.parquet").rename(folder / "train-00000-of-00001.parquet")
    yield lambda: attacker.estimate(f"{folder}/{'*' * 40}x")


def preferences(attacker: Attacker) -> Iterator[Step]:
    """Read a job with a Prefer header of 60 KB."""
    job_id = attacker.submit_first(attacker.table())
    yield lambda: attacker.request("GET", f"/v1/jobs/{job_id}", prefer='"' + '\\"' * 30_000)


def footers(attacker: Attacker) -> Iterator[Step]:
    """Submit tables with a few wrong bits in their footers, first those that end a process that reads them."""
    content = Path(attacker.table()).read_bytes()
    seeds = chain(3 * fatal_seeds(content), count())

    def step() -> None:
        seed = next(seeds)
        path = attacker.folder / f"mutated-{seed}.parquet"
        path.write_bytes(mutated(content, seed))
        attacker.estimate(str(path))
        path.unlink(missing_ok=True)

    yield from [step] * 4


def mutated(content: bytes, seed: int) -> bytes:
    """Flip up to four bits of the footer; its length and its mark stay."""
    rng, damaged = random.Random(seed), bytearray(content)  # noqa: S311 - to be repeatable, not secret
    end = len(content) - MARK_BYTES
    start = end - int.from_bytes(content[end : end + 4], "little")
    for _ in range(rng.randint(1, 4)):
        damaged[rng.randrange(start, end)] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def fatal_seeds(content: bytes) -> list[int]:
    """Return the seeds of mutations that abort Arrow, by letting it read each in a process of its own."""
    return [seed for seed in range(TRIED) if _aborts(mutated(content, seed))]


def _aborts(content: bytes) -> bool:
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        with suppress(Exception):
            _read_footer(content)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def _read_footer(content: bytes) -> None:
    """Read the schema and whether columns hold nulls, as a service has to."""
    footer = pq.read_metadata(pa.BufferReader(content))
    footer.schema.to_arrow_schema()
    for group in map(footer.row_group, range(footer.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            _ = column.is_stats_set and column.statistics.null_count


def scans(attacker: Attacker) -> Iterator[Step]:
    """Submit sixteen million rows in a small compressed file, 45 at a time, each time with other options."""
    path = attacker.folder / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"x":1,"label":0}\n' * ROWS_OF_A_MEMBER, 9) * MEMBERS)
    yield from [lambda: attacker.estimate(str(path))] * SCANS


# --- connections ------------------------------------------------------------------------------------------------------


def connections(attacker: Attacker) -> Iterator[Step]:
    """Hold requests that are half sent, and streams of events that nobody reads."""
    job_id = attacker.submit_first(attacker.table(), runner="wait")
    held: list[socket.socket] = []

    def hold(request: str, most: int) -> Callable[[], None]:
        def step() -> None:
            time.sleep(HOLD_PAUSE)
            with suppress(OSError):
                connection = attacker.connect()
                connection.sendall(request.encode())
                held.append(connection)
            if len(held) > most:
                held.pop(0).close()

        return step

    yield from [hold("GET /v1/jobs HTTP/1.1\r\nHost: ted\r\nX-", HALF_SENT + STREAMS)] * 4
    stream = f"GET /v1/jobs/{job_id}/events HTTP/1.1\r\nHost: ted\r\nAccept: text/event-stream\r\n"
    yield hold(f"{stream}Authorization: Bearer {attacker.key}\r\n\r\n", HALF_SENT + STREAMS)


# --- webhooks and workers ---------------------------------------------------------------------------------------------


def webhooks(attacker: Attacker) -> Iterator[Step]:
    """Send pings to twenty webhooks whose receiver accepts connections and never answers."""
    silent = socket.create_server(("127.0.0.1", 0), backlog=1024)
    url = f"http://127.0.0.1:{silent.getsockname()[1]}"
    body = {"events": ["job.failed"]}
    ids = [attacker.request("POST", "/v1/webhooks", body | {"url": f"{url}/{n}"}).get("id") for n in range(WEBHOOKS)]
    assert all(ids)
    for webhook in ids * 2:
        attacker.request("POST", f"/v1/webhooks/{webhook}/ping")
    numbers = count()
    held = [silent]
    yield lambda: (time.sleep(0.5), attacker.request("POST", f"/v1/webhooks/{ids[next(numbers) % WEBHOOKS]}/ping"))
    yield lambda: held.append(silent.accept()[0])


def crashes(attacker: Attacker) -> Iterator[Step]:
    """Have eight jobs queued whose runners crash, and another whenever one has ended."""
    table = attacker.table()
    for _ in range(CRASHES):
        attacker.submit_first(table, runner="crash")
    yield lambda: (time.sleep(0.5), attacker.submit(table, runner="crash"))


ATTACKS = {each.__name__: each for each in (patterns, preferences, footers, scans, connections, webhooks, crashes)}
"""Each prepares itself, and yields the steps that are then repeated, every one in a thread of its own."""


def _repeat(step: Step) -> None:
    while True:
        step()


def main() -> None:
    """Attack until this process is killed."""
    name, url, key, folder = sys.argv[1:]
    for step in ATTACKS[name](Attacker(url, key, Path(folder))):
        threading.Thread(target=_repeat, args=(step,), daemon=True).start()
    time.sleep(0.5)
    sys.stdout.write("attacking\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main()
