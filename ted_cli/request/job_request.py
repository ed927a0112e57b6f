"""The request for a job, from the options on the command line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCHEME = "://"
PARTS = ("dataset", "proxy", "plan")


@dataclass(frozen=True)
class JobOptions:
    """The three parts of a job, and what stands beside them; a value is None if the option was not given."""

    dataset: Mapping[str, Any]
    proxy: Mapping[str, Any]
    plan: Mapping[str, Any]
    job: Mapping[str, Any] = field(default_factory=dict)

    def apply_to(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the document, overridden by the options. Paths are made absolute, since the service runs elsewhere."""
        request = {**document, **without_none(self.job)}
        if labels := self.job.get("metadata"):
            request["metadata"] = {**(document.get("metadata") or {}), **labels}
        for part in PARTS:
            if given := without_none(getattr(self, part)):
                request[part] = {**(request.get(part) or {}), **given}
        if self.dataset.get("uri"):
            request["dataset"]["uri"] = absolute_uri(str(self.dataset["uri"]))
        return request


def without_none(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def absolute_uri(uri: str) -> str:
    """Return a path as an absolute one, and a URI as it is."""
    return uri if SCHEME in uri or uri.startswith("file:") else str(Path(uri).expanduser().resolve())
