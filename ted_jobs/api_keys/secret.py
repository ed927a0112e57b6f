"""The secret of an installation, under which the texts of its keys are hashed."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from ted_jobs.settings import Settings

FILE_NAME = "key.secret"


def key_secret(settings: Settings) -> bytes:
    """The secret that is set, else the one in the home folder, made there when it is first asked for."""
    if settings.key_secret is not None:
        return settings.key_secret.get_secret_value().encode()
    path = settings.home / FILE_NAME
    if not path.exists():
        _create_secret(path)
    return path.read_bytes().strip()


def _create_secret(path: Path) -> None:
    """Write a secret that appears as a whole, readable by its owner only; another process may be faster, and wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with NamedTemporaryFile(dir=path.parent, prefix=f"{FILE_NAME}.") as file:  # made with mode 0600
        file.write(secrets.token_hex(32).encode())
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(file.name, path)
