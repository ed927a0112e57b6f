"""Whether a job may be stored: what can be checked without reading the rows of its dataset."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ted_core.datasets import DatasetSummary
from ted_core.datasets.spec import TASKS, DatasetSpec, InputKind
from ted_core.memory_plan import MemoryPlan, Workload, plan_memory, require_batch_memory, require_memory
from ted_core.plan_warnings import plan_warnings
from ted_core.proxies import ResolvedProxy, resolve_proxy
from ted_core.proxies.model_size import model_shape, planned_size
from ted_core.proxies.pretrained_size import frozen_bytes
from ted_core.selection import feasibility
from ted_core.selection.schedule import loop_rounds
from ted_core.warnings import JobWarning, distinct, refuse_warnings
from ted_jobs.jobs.spec import JobSpec


@dataclass(frozen=True)
class Admission:
    """A job that may be stored."""

    spec: JobSpec
    proxy: ResolvedProxy
    dataset: DatasetSummary
    memory: MemoryPlan | None = None
    """What it will take at least; None if nobody can say before the rows are read or the model is built."""
    warnings: tuple[JobWarning, ...] = ()
    """What is accepted, but may not be what was meant."""


def admit(
    spec: JobSpec,
    dataset: DatasetSummary,
    *,
    model_roots: Sequence[Path] = (),
    ceiling: int | None = None,
    batch_ceiling: int | None = None,
    memory_bytes: int | None = None,
) -> Admission:
    """Return the specification with every default written out, its proxy, and what its dataset's headers tell.

    A runner may take ``ceiling`` bytes, and plans ``memory_bytes`` of them for data. Batches must fit into
    ``batch_ceiling``; if that is None, they are left to the worker, which cuts them. So is what depends on the number
    of rows if they are not counted yet. Raises the TedError, with its field, of whatever already shows
    that the job cannot succeed, and WarningsRefused if it is strict and there are warnings.
    """
    kind = feasibility.KINDS[spec.dataset.base_task]
    feasibility.check_balance(spec.plan, kind=kind)  # whether or not the model is installed here
    proxy = resolve_proxy(spec.proxy, kind=kind, model_roots=model_roots)
    feasibility.check_feasibility(
        spec.plan,
        proxy,
        kind=kind,
        rows=dataset.rows,
        classes=_classes(dataset),
        one_class=spec.dataset.task in TASKS and not dataset.several_classes,
        shape=dataset.input_shape,
    )
    if dataset.understood:
        found = dataset.understood
        feasibility.check_shards(spec.plan, spec.dataset, file_format=found.format, files=found.file_count)
    plan = spec.plan.model_copy(update={"rounds": spec.plan.rounds or loop_rounds(proxy.training.epochs)})
    work = _workload(spec, proxy, dataset, kind=kind, memory_bytes=memory_bytes)
    memory = plan_memory(work) if work else None
    if work and memory and ceiling:
        require_memory(memory, work, ceiling=ceiling)
    if work and memory and batch_ceiling:
        require_batch_memory(memory, work, ceiling=batch_ceiling)
    warnings = distinct(dataset.warnings, plan_warnings(plan, proxy, rows=dataset.rows))
    if spec.strict:
        refuse_warnings(warnings)
    resolved = {"dataset": with_format(spec.dataset, dataset), "proxy": proxy.training, "plan": plan}
    return Admission(spec.model_copy(update=resolved), proxy, dataset, memory, warnings)


def with_format(spec: DatasetSpec, summary: DatasetSummary) -> DatasetSpec:
    """Return the dataset with its format written out."""
    return spec.model_copy(update={"format": summary.understood.format}) if summary.understood else spec


def _classes(dataset: DatasetSummary) -> int:
    """How many classes there are; if they are not counted, as many as any job has."""
    counted = dataset.understood.class_count if dataset.understood else None
    return feasibility.FEWEST_CLASSES if counted is None else counted


def _workload(
    spec: JobSpec, proxy: ResolvedProxy, dataset: DatasetSummary, *, kind: InputKind, memory_bytes: int | None
) -> Workload | None:
    """What the job's memory depends on, as far as headers show; None if they show too little."""
    shape = model_shape(proxy, dataset.input_shape, kind=kind)
    size = planned_size(proxy, shape, _classes(dataset)) if shape is not None else None
    if size is None or shape is None:
        return None
    return Workload(
        spec.plan,
        proxy,
        size,
        shape,
        rows=dataset.rows or feasibility.FEWEST_ROWS_KEPT,  # if they are not counted: no job has fewer
        memory_bytes=memory_bytes,
        resizable=spec.dataset.has_encoded_images,
        features_bytes=frozen_bytes(proxy.model_path) if proxy.family.features and kind != "vector" else 0,
    )
