"""``python -m service.probe``: exit with status 0 if the API of this machine answers; for containers' health checks."""

import sys
from urllib.error import URLError
from urllib.request import urlopen

from ted_jobs.settings import Settings

TIMEOUT_SECONDS = 2


def main() -> None:
    """Ask once."""
    url = f"http://127.0.0.1:{Settings().port}/healthz"
    try:
        urlopen(url, timeout=TIMEOUT_SECONDS).close()
    except URLError as error:
        sys.exit(f"{url}: {error.reason}")


if __name__ == "__main__":
    main()
