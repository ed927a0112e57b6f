"""The secret of an installation, with which the texts of its keys are hashed."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from ted_jobs.settings import Settings

FILE_NAME = "key.secret"


def key_secret(settings: Settings) -> bytes:
    """Return the secret that is set, else the one in the home folder, which is created when first needed."""
    if settings.key_secret is not None:
        return settings.key_secret.get_secret_value().encode()
    path = settings.home / FILE_NAME
    if not path.exists():
        _create_secret(path)
    return path.read_bytes().strip()


def _create_secret(path: Path) -> None:
    """Write a new secret atomically, readable by its owner only. If another process is faster, its secret stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with NamedTemporaryFile(dir=path.parent, prefix=f"{FILE_NAME}.") as file:  # created with mode 0600
        file.write(secrets.token_hex(32).encode())
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(file.name, path)
