"""What a user says on the command line → the request to send."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEME = "://"


@dataclass(frozen=True)
class JobOptions:
    """The three parts of a job; None where the user said nothing."""

    dataset: Mapping[str, Any]
    proxy: Mapping[str, Any]
    plan: Mapping[str, Any]

    def apply_to(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The document with the wish laid over it. A relative path is made absolute: the service lives elsewhere."""
        request = dict(document)
        for part, wished in vars(self).items():
            said = {name: value for name, value in wished.items() if value is not None}
            if said:
                request[part] = {**(request.get(part) or {}), **said}
        if self.dataset.get("uri"):
            request["dataset"]["uri"] = _absolute(str(self.dataset["uri"]))
        return request


def one_or_many(names: list[str] | None) -> str | list[str] | None:
    """The only name, or all of them; None of none."""
    return names[0] if names and len(names) == 1 else names or None


def _absolute(uri: str) -> str:
    return uri if SCHEME in uri or uri.startswith("file:") else str(Path(uri).expanduser().resolve())
