"""``python -m service``: serve HTTP until SIGTERM or SIGINT."""

import logging
import signal
import socket
import sys
from collections.abc import Sequence
from ipaddress import ip_address

import uvicorn

from service.app import create_app
from service.http.errors import OpenBeyondLoopback
from ted_jobs.files import presigned
from ted_jobs.logs import configure_logging
from ted_jobs.settings import Settings

GRACE_SECONDS = 10


def main() -> None:
    """Serve on the configured host and port, or on the listening socket that the parent process left open for us."""
    settings = Settings()
    configure_logging(settings.log_level)
    logging.getLogger("botocore").setLevel(logging.INFO)  # below, it logs how it signs links
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    sockets = _inherited_sockets(settings.listen_fd)
    try:
        check_keyless_access(settings, sockets)
        presigned.check_presigning(settings)
    except (OpenBeyondLoopback, presigned.LinksNeedBotocore) as error:
        sys.exit(str(error))
    _server(settings).run(sockets=sockets)


class _Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Streams have no end of their own, and would use up the whole grace period.
        self.config.app.state.streams.close()  # type: ignore[union-attr]
        await super().shutdown(sockets)


def _server(settings: Settings) -> uvicorn.Server:
    # Requests are logged by RequestLog, under their id; uvicorn's other records go where ours go.
    logs = {"log_config": None, "access_log": False}
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        timeout_graceful_shutdown=GRACE_SECONDS,
        **logs,  # type: ignore[arg-type]
    )
    return _Server(config)


def _inherited_sockets(descriptor: int | None) -> list[socket.socket] | None:
    return None if descriptor is None else [socket.socket(fileno=descriptor)]


def check_keyless_access(settings: Settings, sockets: Sequence[socket.socket] | None) -> None:
    """Raise OpenBeyondLoopback if keyless access would be reachable from the network."""
    hosts = [_host(listener) for listener in sockets] if sockets else [settings.host]
    if settings.auth == "open" and not all(map(_is_loopback, hosts)):
        raise OpenBeyondLoopback(f"The API listens on {', '.join(hosts)}")


def _host(listener: socket.socket) -> str:
    """Return the socket's address; one in the file system can be reached from this machine only."""
    return str(listener.getsockname()[0]) if listener.family in (socket.AF_INET, socket.AF_INET6) else "localhost"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name: where it leads is not known for sure
        return False


def _exit(*_: object) -> None:
    # uvicorn ends its work first and raises the signal again; being asked to stop is no failure.
    raise SystemExit(0)


if __name__ == "__main__":
    main()
