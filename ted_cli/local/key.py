"""The key that ``ted up`` makes for its own user at the first start, and keeps in a file that only they can read."""

import subprocess
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from ted_cli.local.process_group import PrintLine
from ted_cli.local.processes import process_command
from ted_client.client import Client
from ted_client.errors import ClientError, TedApiError

KEY_FILE = "up.key"
# On one's own machine there is nobody else to protect from too many requests.
CREATE_ARGUMENTS = ("create", "--name", "ted up", "--scope", "admin", "--requests-per-minute", "0")


def own_key(home: Path, url: str, *, environment: Mapping[str, str], print_line: PrintLine) -> str | None:
    """Return a key that the service accepts: the one kept here, or a new one, which is printed; None without keys."""
    if environment.get("TED_AUTH") == "open":
        return None
    path = home / KEY_FILE
    kept = path.read_text().strip() if path.exists() else ""
    if kept and _is_accepted(url, kept):
        return kept
    key = _create_key(environment)
    write_private(path, key)
    print_line(f"Your key, kept in {path}: {key}")
    return key


def _is_accepted(url: str, key: str) -> bool:
    """Return whether the service knows the key; it does not if its database is new or the key was revoked."""
    with Client(url, key=key) as client:
        try:
            next(client.jobs(limit=1), None)
        except TedApiError as error:
            return error.status != HTTPStatus.UNAUTHORIZED
    return True


def _create_key(environment: Mapping[str, str]) -> str:
    process = subprocess.run(  # noqa: S603 - our own module
        process_command("keys", *CREATE_ARGUMENTS), env=dict(environment), capture_output=True, text=True, check=False
    )
    if process.returncode:
        raise ClientError(f"No key could be made:\n{process.stderr.strip()}")
    return process.stdout.strip()


def write_private(path: Path, text: str) -> None:
    """Write a file that appears as a whole and that only its owner can read."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_text(text)
    partial.replace(path)
