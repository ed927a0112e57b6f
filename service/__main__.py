"""``python -m service``: serve HTTP until SIGTERM or SIGINT."""

import signal
import socket

import uvicorn

from service.app import create_app
from ted_jobs.logs import configure
from ted_jobs.settings import Settings

GRACE_SECONDS = 10


def main() -> None:
    """Serve on the configured host and port, or on the listening socket that the parent process left open for us."""
    settings = Settings()
    configure(settings.log_level)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    _server(settings).run(sockets=_inherited(settings.listen_fd))


def _server(settings: Settings) -> uvicorn.Server:
    # Requests are logged by RequestLog, under their id; uvicorn's other records go where ours go.
    logging = {"log_config": None, "access_log": False}
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        timeout_graceful_shutdown=GRACE_SECONDS,
        **logging,  # type: ignore[arg-type]
    )
    return uvicorn.Server(config)


def _inherited(descriptor: int | None) -> list[socket.socket] | None:
    return None if descriptor is None else [socket.socket(fileno=descriptor)]


def _leave(*_: object) -> None:
    # uvicorn ends its work first and raises the signal again; being asked to stop is no failure.
    raise SystemExit(0)


if __name__ == "__main__":
    main()
