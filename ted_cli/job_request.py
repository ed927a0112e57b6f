"""The request for a job, from the options on the command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEME = "://"


@dataclass(frozen=True)
class JobOptions:
    """The three parts of a job; a value is None if the option was not given."""

    dataset: Mapping[str, Any]
    proxy: Mapping[str, Any]
    plan: Mapping[str, Any]

    def apply_to(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the document, overridden by the options. Paths are made absolute, since the service runs elsewhere."""
        request = dict(document)
        for part, options in vars(self).items():
            given = {name: value for name, value in options.items() if value is not None}
            if given:
                request[part] = {**(request.get(part) or {}), **given}
        if self.dataset.get("uri"):
            request["dataset"]["uri"] = _absolute(str(self.dataset["uri"]))
        return request


def one_or_many(names: list[str] | None) -> str | list[str] | None:
    """Return the only name, or the list if there are several; None if there are none."""
    return names[0] if names and len(names) == 1 else names or None


def _absolute(uri: str) -> str:
    return uri if SCHEME in uri or uri.startswith("file:") else str(Path(uri).expanduser().resolve())
