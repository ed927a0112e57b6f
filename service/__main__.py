"""``python -m service``: serve the API until SIGTERM."""

import socket

import uvicorn

from service.app import create_app
from ted_jobs.logs import configure
from ted_jobs.settings import Settings


def main() -> None:
    """Serve on the inherited socket where there is one, else on host and port."""
    settings = Settings()
    configure(settings.log_level)
    config = uvicorn.Config(
        create_app(settings), host=settings.host, port=settings.port, log_config=None, access_log=False
    )
    inherited = [socket.socket(fileno=settings.listen_fd)] if settings.listen_fd is not None else None
    uvicorn.Server(config).run(sockets=inherited)


if __name__ == "__main__":
    main()
