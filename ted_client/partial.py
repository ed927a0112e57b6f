"""The part of a download that has arrived, in a file whose name tells which file it is a part of."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass
class PartialFile:
    """A file beside the target: ``NAME.SHA256.partial``; none as long as nothing was promised."""

    target: Path
    expected_sha256: str = ""

    @classmethod
    def find(cls, target: Path) -> "PartialFile":
        """What an earlier download of this target left, if it did."""
        name = re.compile(re.escape(target.name) + r"\.([0-9a-f]{64})\.partial")
        folder = target.parent.iterdir() if target.parent.is_dir() else ()
        return next((cls(target, found[1]) for path in folder if (found := name.fullmatch(path.name))), cls(target))

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.target.with_name(f"{self.target.name}.{self.expected_sha256}.partial")

    @property
    def size(self) -> int:
        """Bytes that have arrived."""
        return self.path.stat().st_size if self.expected_sha256 and self.path.exists() else 0

    def expect(self, sha256: str) -> None:
        """Be a part of this file; what has arrived of another one is of no use any more."""
        if sha256 != self.expected_sha256:
            self.remove()
            self.expected_sha256 = sha256

    def open_file(self, *, goes_on: bool) -> BinaryIO:
        """The file to write to: behind what has arrived, or from the beginning."""
        return self.path.open("ab" if goes_on else "wb")

    def sha256(self) -> str:
        """The digest of what has arrived."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def move_to(self, target: Path) -> Path:
        """The file at its target, which it takes over at once."""
        return self.path.replace(target)

    def remove(self) -> None:
        """Nothing has arrived."""
        if self.expected_sha256:
            self.path.unlink(missing_ok=True)
