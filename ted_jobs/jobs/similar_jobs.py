"""What jobs like one that is planned have taken: the tenant's own that succeeded, by the same method and proxy."""

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
"""What of a specification must be the same. Sizes, epochs and ratios are reckoned with."""


@dataclass(frozen=True)
class SimilarJob:
    """What one job has taken."""

    rows_in: int
    full_run_rows: int
    """Row-visits of one training run of the proxy on all its rows."""
    of_one_full_run: float
    """What it trained, relative to that."""
    seconds: float
    peak_memory_bytes: int | None
    classes: int | None
    same_dataset: bool


def similar_jobs(engine: Engine, spec: JobSpec, *, guard: str, tenant: str) -> list[SimilarJob]:
    """The newest jobs of the tenant that are like this one; of the same dataset only, where there are any."""
    wanted = spec.model_dump(mode="json")
    query = select(jobs.c.spec, jobs.c.result, jobs.c.dataset_guard).where(
        jobs.c.tenant == tenant, jobs.c.status == JobStatus.SUCCEEDED
    )
    with read_transaction(engine) as connection:
        rows = connection.execute(query.order_by(jobs.c.created_at.desc()).limit(MOST_SIMILAR_JOBS)).all()
    found = [_similar_job(row, guard) for row in rows if _is_similar(row.spec, wanted)]
    return [one for one in found if one.same_dataset] or found


def _is_similar(spec: JsonObject, wanted: JsonObject) -> bool:
    return all(spec[part].get(field) == wanted[part].get(field) for part, field in SAME_FIELDS)


def _similar_job(row: Any, guard: str) -> SimilarJob:
    result: JsonObject = row.result
    return SimilarJob(
        rows_in=result["rows_in"],
        full_run_rows=result["cost"]["full_run_rows"],
        of_one_full_run=result["cost"]["of_one_full_run"],
        seconds=sum(result.get("seconds", {}).values()) or result["cost"]["seconds"],
        peak_memory_bytes=result.get("peak_memory_bytes"),
        classes=result.get("classes"),
        same_dataset=row.dataset_guard == guard,
    )
