"""A request on its own user's machine → what a runner is to do. What the user may read, the run may read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ted_core.datasets import inspect
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import TedError
from ted_core.storage.file_store import StorageRoot
from ted_core.storage.object_store import is_object_uri
from ted_core.storage.roots import parse_root, root_containing
from ted_jobs.jobs.admission import Admission, admit
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.settings import Settings
from ted_jobs.validation import RequestFault, body_faults

MACHINE = Path("/")


class RequestRefused(TedError):
    """Correct the request."""

    def __init__(self, faults: list[RequestFault]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{fault.field} {fault.message}" for fault in faults), field=faults[0].field)


@dataclass(frozen=True)
class AdmittedRun:
    """A run that may begin."""

    admission: Admission
    dataset_roots: tuple[StorageRoot, ...]
    model_roots: tuple[Path, ...]


def admitted_run(job: dict[str, Any], settings: Settings) -> AdmittedRun:
    """Return the run with every default written out. Raise the TedError, with its field, of whatever is wrong."""
    spec = _specification(job)
    roots = _roots(spec.dataset)
    model_roots = (*settings.model_roots, MACHINE)
    admission = admit(
        spec,
        inspect(spec.dataset, roots=roots),
        model_roots=model_roots,
        ceiling=settings.ceiling,
        batch_ceiling=settings.runner_memory_ceiling,
        memory_bytes=settings.memory_bytes,
    )
    return AdmittedRun(admission, roots, model_roots)


def _specification(job: dict[str, Any]) -> JobSpec:
    try:
        return JobSpec.model_validate(job, strict=True)
    except ValidationError as error:
        raise RequestRefused(body_faults(error.errors(include_url=False), job)) from error


def _roots(dataset: DatasetSpec) -> tuple[StorageRoot, ...]:
    return (root_containing(parse_root(dataset.uri)),) if is_object_uri(dataset.uri) else (MACHINE,)
