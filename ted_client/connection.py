"""Where the service is: what variables say, and what a running ``ted up`` leaves in its home folder."""

import json
import os
from pathlib import Path
from typing import NamedTuple

from ted_client.errors import ServiceUnreachable
from ted_client.flow import JsonObject

CONNECTION_FILE = "connection.json"


def read_connection(home: Path) -> JsonObject:
    """Return what ``ted up`` left in its home folder: url, key and pid. Raise ServiceUnreachable if nothing runs."""
    try:
        connection: JsonObject = json.loads((home / CONNECTION_FILE).read_text())
    except (OSError, ValueError) as error:
        raise ServiceUnreachable(f"Nothing runs in {home}. Start it with: ted up --home {home}") from error
    return connection


class Address(NamedTuple):
    """A service's URL, and the key to it."""

    url: str
    key: str | None


def service_address(url: str | None = None, *, key: str | None = None, home: str | Path | None = None) -> Address:
    """Return where a service is: at the URL, or in the home folder, or else where ``TED_URL`` or ``TED_HOME`` say.

    A key that is not given is that of ``TED_API_KEY`` or the one that ``ted up`` left in the home folder; a service at
    a URL that is given gets only a key that is given or ``TED_API_KEY``. Raise ServiceUnreachable if none runs there.
    """
    key = key or os.environ.get("TED_API_KEY") or None
    url = url or (None if home else os.environ.get("TED_URL")) or None
    if url:
        return Address(url, key)
    connection = read_connection(Path(home or os.environ.get("TED_HOME") or "~/.ted").expanduser())
    return Address(connection["url"], key or connection.get("key"))
