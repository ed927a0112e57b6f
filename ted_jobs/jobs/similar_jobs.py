"""What earlier jobs like a planned one have cost: the tenant's own that succeeded, with the same method and proxy."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, select

from ted_jobs.db.engine import read_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.jobs.models import JsonObject
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.status import JobStatus

MOST_SIMILAR_JOBS = 50
SAME_FIELDS = (("plan", "method"), ("proxy", "name"), ("proxy", "model"), ("dataset", "task"))
"""The fields that must be equal. Sizes, epochs and ratios may differ: the estimate scales with them."""


@dataclass(frozen=True)
class SimilarJob:
    """What one job has cost."""

    rows_in: int
    full_run_rows: int
    """Rows seen by one training run of the proxy on the whole dataset, over all epochs."""
    of_one_full_run: float
    """What it trained, as a share of that."""
    seconds: float
    peak_memory_bytes: int | None
    classes: int | None
    same_dataset: bool


def similar_jobs(engine: Engine, spec: JobSpec, *, change_token: str, tenant: str) -> list[SimilarJob]:
    """Return the tenant's newest jobs like this one; only those on the same dataset, if there are any."""
    planned = spec.model_dump(mode="json")
    query = select(jobs.c.spec, jobs.c.result, jobs.c.dataset_guard).where(
        jobs.c.tenant == tenant, jobs.c.status == JobStatus.SUCCEEDED
    )
    with read_transaction(engine) as connection:
        rows = connection.execute(query.order_by(jobs.c.created_at.desc()).limit(MOST_SIMILAR_JOBS)).all()
    similar = [_similar_job(row, change_token) for row in rows if _is_similar(row.spec, planned)]
    return [job for job in similar if job.same_dataset] or similar


def _is_similar(spec: JsonObject, planned: JsonObject) -> bool:
    return all(spec[part].get(field) == planned[part].get(field) for part, field in SAME_FIELDS)


def _similar_job(row: Any, change_token: str) -> SimilarJob:
    result: JsonObject = row.result
    return SimilarJob(
        rows_in=result["rows_in"],
        full_run_rows=result["cost"]["full_run_rows"],
        of_one_full_run=result["cost"]["of_one_full_run"],
        seconds=sum(result.get("seconds", {}).values()) or result["cost"]["seconds"],
        peak_memory_bytes=result.get("peak_memory_bytes"),
        classes=result.get("classes"),
        same_dataset=row.dataset_guard == change_token,
    )
