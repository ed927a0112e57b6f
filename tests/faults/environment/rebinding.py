"""``python -m tests.faults.environment.rebinding``: send to a name that leads somewhere else at every look-up.

To be run as root in network and mount namespaces of its own (``unshare --net --mount``), where a public address is this
machine's and the system's resolver asks a server of ours. It prints where connections were made to.
"""

import json
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import suppress
from itertools import cycle
from pathlib import Path

import httpcore

from ted_jobs.errors import TargetRefused
from ted_jobs.webhooks.targets import WebhookTarget, allowed_addresses
from worker.webhooks.pinned_http import post_pinned

PUBLIC, LOOPBACK, RESOLVER = "93.184.215.14", "127.0.0.1", "127.0.0.53"
PORT, DNS_PORT, ATTEMPTS = 8443, 53, 20
IPV4_QUERY = b"\x00\x01\x00\x01"
REFUSED = "refused"

connections: Counter[str] = Counter()


def main() -> None:
    """Send twenty times."""
    _prepare()
    target = WebhookTarget.parse(f"https://hooks.example.com:{PORT}/")
    for _ in range(ATTEMPTS):
        try:
            addresses = allowed_addresses(target, reach="public")
        except TargetRefused:
            connections[REFUSED] += 1
            continue
        with suppress(httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
            post_pinned(target, addresses, headers={}, body=b"{}", seconds=5)
    sys.stdout.write(json.dumps(connections))


def _prepare() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)  # noqa: S607 - wherever it lies
    subprocess.run(["ip", "address", "add", f"{PUBLIC}/32", "dev", "lo"], check=True)  # noqa: S607
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(f"nameserver {RESOLVER}\n")
    subprocess.run(["mount", "--bind", file.name, "/etc/resolv.conf"], check=True)  # noqa: S607
    Path(file.name).unlink()
    threading.Thread(target=_resolve, daemon=True).start()
    for address in (PUBLIC, LOOPBACK):
        threading.Thread(target=_listen, args=(socket.create_server((address, PORT)), address), daemon=True).start()


def _listen(listener: socket.socket, address: str) -> None:
    while True:
        connection, _ = listener.accept()
        connections[address] += 1
        connection.close()


def _resolve() -> None:
    """Answer queries for IPv4 addresses with one address and the other in turn, those for IPv6 with none."""
    server, addresses = socket.socket(type=socket.SOCK_DGRAM), cycle([PUBLIC, LOOPBACK])
    server.bind((RESOLVER, DNS_PORT))
    while True:
        query, client = server.recvfrom(512)
        end = query.index(b"\0", 12) + 5
        answers = [socket.inet_aton(next(addresses))] if query[end - 4 : end] == IPV4_QUERY else []
        head = query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(answers), 0, 0) + query[12:end]
        body = b"".join(struct.pack(">HHHIH", 0xC00C, 1, 1, 0, 4) + address for address in answers)
        server.sendto(head + body, client)


if __name__ == "__main__":
    main()
