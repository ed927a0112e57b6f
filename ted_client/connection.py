"""What a running ``ted up`` leaves in its home folder, by which it is found."""

import json
from pathlib import Path

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
