"""What earlier jobs like a planned one have cost.

They are the tenant's own that succeeded, with the same method, target and inputs, proxy and epochs.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Engine, select

from ted_core.datasets import DatasetSummary
from ted_core.plan import PruningPlan
from ted_jobs.db.engine import read_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.jobs.models import JsonObject
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.status import JobStatus

MOST_SIMILAR_JOBS = 50
SAME_FIELDS = (
    ("plan", "method"),
    ("proxy", "name"),
    ("proxy", "model"),
    ("proxy", "train_blocks"),
    ("proxy", "epochs"),
    ("dataset", "task"),
    ("dataset", "target"),
    ("dataset", "input"),
)
"""The fields that must be equal. Sizes, ratios and rounds may differ: the estimate scales with them."""


@dataclass(frozen=True)
class SimilarJob:
    """What one job has cost."""

    rows_in: int
    full_run_rows: int
    """Rows seen by one training run of the proxy on the whole dataset, over all epochs."""
    of_one_full_run: float
    """What it trained and measured, in row-visits of training, as a share of that."""
    seconds: float
    """From start to end."""
    pruning_seconds: float
    """The part that went into training and measuring; all of them if an older version ran the job."""
    plan: PruningPlan
    device: str | None
    """In words; None if an older version ran the job."""
    peak_memory_bytes: int | None
    classes: int | None
    same_dataset: bool


def similar_jobs(engine: Engine, spec: JobSpec, *, dataset: DatasetSummary, tenant: str) -> list[SimilarJob]:
    """Return the tenant's newest jobs like this one; only those on the same dataset, if there are any."""
    planned = spec.model_dump(mode="json")
    query = select(jobs.c.spec, jobs.c.result, jobs.c.dataset_guard).where(
        jobs.c.tenant == tenant, jobs.c.status == JobStatus.SUCCEEDED
    )
    with read_transaction(engine) as connection:
        rows = connection.execute(query.order_by(jobs.c.created_at.desc()).limit(MOST_SIMILAR_JOBS)).all()
    similar = list(_readable(rows, planned, dataset))
    return [job for job in similar if job.same_dataset] or similar


def _readable(rows: Sequence[Any], planned: JsonObject, dataset: DatasetSummary) -> Iterator[SimilarJob]:
    """Yield the similar jobs; one that a newer version has planned says nothing to this one."""
    for row in rows:
        if _is_similar(row.spec, planned):
            with suppress(ValidationError):
                yield _similar_job(row, dataset)


def _is_similar(spec: JsonObject, planned: JsonObject) -> bool:
    return all(spec[part].get(field) == planned[part].get(field) for part, field in SAME_FIELDS)


def _similar_job(row: Any, dataset: DatasetSummary) -> SimilarJob:
    result: JsonObject = row.result
    phases = result.get("seconds", {})
    seconds = sum(phases.values()) or result["cost"]["seconds"]
    return SimilarJob(
        rows_in=result["rows_in"],
        full_run_rows=result["cost"]["full_run_rows"],
        of_one_full_run=result["cost"]["of_one_full_run"],
        seconds=seconds,
        pruning_seconds=phases.get("pruning", seconds),
        plan=PruningPlan.model_validate(row.spec["plan"]),
        device=result.get("device"),
        peak_memory_bytes=result.get("peak_memory_bytes"),
        classes=result.get("classes"),
        same_dataset=bool(dataset.matches(row.dataset_guard)),
    )
