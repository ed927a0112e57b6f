"""``python -m service``: serve HTTP until SIGTERM or SIGINT."""

import logging
import signal
import sys

from service.app import create_app
from service.http.errors import OpenBeyondLoopback
from service.server.limits import ServerLimits, raise_open_files
from service.server.server import TedServer
from service.server.sockets import check_keyless_access, inherited_sockets
from ted_core.storage.private_files import keep_new_files_private
from ted_jobs.files import presigned
from ted_jobs.logs import configure_logging
from ted_jobs.settings import Settings


def main() -> None:
    """Serve on the configured host and port, or on the listening socket that the parent process left open for us."""
    settings = Settings()
    keep_new_files_private()
    configure_logging(settings.log_level)
    logging.getLogger("botocore").setLevel(logging.INFO)  # below, it logs how it signs links
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    sockets = inherited_sockets(settings.listen_fd)
    try:
        check_keyless_access(settings, sockets)
        presigned.check_presigning(settings)
    except (OpenBeyondLoopback, presigned.LinksNeedBotocore) as error:
        sys.exit(str(error))
    limits = ServerLimits.of(settings, open_files=raise_open_files())
    TedServer(create_app(settings), host=settings.host, port=settings.port, limits=limits).run(sockets=sockets)


def _exit(*_: object) -> None:
    # uvicorn ends its work first and raises the signal again; being asked to stop is no failure.
    raise SystemExit(0)


if __name__ == "__main__":
    main()
