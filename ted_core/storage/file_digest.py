"""The identity of a file's bytes. It loads nothing, unlike what hashes tables."""

import hashlib
from pathlib import Path


def sha256_of(path: Path) -> str:
    """The hexadecimal SHA-256 of the file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
