"""A job as the service describes it."""

import shutil
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Self

from ted_client.errors import JobNotSucceeded

if TYPE_CHECKING:
    from ted_client.answers import JobErrorJson, JobJson, JobWarningJson, ProgressJson, ResultJson
    from ted_core.results.manifest import Manifest

NOTHING: Any = {}
"""An answer that is not there yet, or never will be."""
TERMINAL = frozenset({"succeeded", "failed", "cancelled", "expired"})


@dataclass(frozen=True)
class JobSnapshot:
    """A job as it stood when the service was asked; ``facts`` is the whole response."""

    facts: "JobJson"

    @property
    def id(self) -> str:
        return str(self.facts["id"])

    @property
    def name(self) -> str | None:
        """The label ``name`` among its metadata, by which the command line finds it; None if it has none."""
        return (self.facts.get("metadata") or {}).get("name")

    @property
    def status(self) -> str:
        return str(self.facts["status"])

    @property
    def progress(self) -> "ProgressJson":
        """Phase, round, rounds, fraction, phase_fraction, samples_per_second, eta_seconds; empty before it runs."""
        return self.facts["progress"] or NOTHING

    @property
    def result(self) -> "ResultJson":
        """Counts, digests and cost of a job that has succeeded; empty before that."""
        return self.facts["result"] or NOTHING

    @property
    def error(self) -> "JobErrorJson":
        """Code, message and field of a job that has failed; empty if it has not."""
        return self.facts["error"] or NOTHING

    @property
    def warnings(self) -> Sequence["JobWarningJson"]:
        """Code, field and message of what was accepted, but may not be what was meant, as far as is known.

        The codes are those of docs/api.md; a newer service may know more.
        """
        return self.facts.get("warnings") or []

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended, so that its status will not change again."""
        return self.status in TERMINAL

    def require_success(self) -> Self:
        """Return the job itself. Raise JobNotSucceeded, with the service's reason, unless it has succeeded."""
        if self.status != "succeeded":
            reason = self.error["message"] if self.error else self.facts["status_reason"] or ""
            raise JobNotSucceeded(f"Job {self.id} is {self.status}. {reason}".strip())
        return self

    def _repr_html_(self) -> str:
        """Return the job as a notebook shows it."""
        result = self.result
        kept = f"{result['rows_kept']:,} of {result['rows_in']:,} rows" if result else ""
        done = f"{self.progress['fraction']:.0%}" if self.progress and not self.is_terminal else ""
        facts = {"job": self.id, "name": self.name, "status": self.status, "done": done, "kept": kept,
                 "reason": self.error.get("message")}  # fmt: skip
        lines = (f"<tr><th>{name}</th><td>{escape(str(fact))}</td></tr>" for name, fact in facts.items() if fact)
        return f"<table>{''.join(lines)}</table>"


@contextmanager
def manifest_file() -> Iterator[Path]:
    """Yield a place for a manifest in a folder of its own, which is removed if the block fails."""
    folder = mkdtemp(prefix="ted-manifest-")
    try:
        yield Path(folder, "manifest.parquet")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def temporary_manifest(path: Path) -> "Manifest":
    """Return the manifest in the file, whose folder is removed once the manifest is gone. Raise ManifestMismatch."""
    from ted_core.results.manifest import read_manifest  # noqa: PLC0415 - pyarrow is an extra

    manifest = read_manifest(path)
    weakref.finalize(manifest, shutil.rmtree, path.parent, ignore_errors=True)
    return manifest
