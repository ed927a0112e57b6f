"""Whether a job may be stored: what can be checked without reading the rows of its dataset."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ted_core.datasets import DatasetSummary, inspect
from ted_core.datasets.spec import TASKS
from ted_core.proxies import ResolvedProxy, resolve_proxy
from ted_core.selection import feasibility
from ted_core.selection.schedule import loop_epochs
from ted_core.storage.file_store import StorageRoot
from ted_jobs.jobs.spec import JobSpec


@dataclass(frozen=True)
class Admission:
    """A job that may be stored."""

    spec: JobSpec
    proxy: ResolvedProxy
    dataset: DatasetSummary


def admit(spec: JobSpec, *, roots: Sequence[StorageRoot], model_roots: Sequence[Path] = ()) -> Admission:
    """Return the specification with every default written out, its proxy, and what its dataset's headers tell.

    Raises the TedError, with its field, of whatever already shows that the job cannot succeed.
    """
    dataset = inspect(spec.dataset, roots=roots)
    kind = feasibility.KINDS[spec.dataset.base_task]
    proxy = resolve_proxy(spec.proxy, kind=kind, model_roots=model_roots)
    feasibility.check_feasibility(
        spec.plan,
        proxy,
        kind=kind,
        rows=dataset.rows,
        one_class=spec.dataset.task in TASKS and not dataset.several_classes,
    )
    plan = spec.plan.model_copy(update={"rounds": spec.plan.rounds or loop_epochs(proxy.training.epochs)})
    return Admission(spec.model_copy(update={"proxy": proxy.training, "plan": plan}), proxy, dataset)
