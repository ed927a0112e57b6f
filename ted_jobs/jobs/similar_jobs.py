"""What jobs like one that is planned have taken: the tenant's own that succeeded, by the same method and proxy."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, select

from ted_jobs.db.engine import reading
from ted_jobs.db.tables import jobs
from ted_jobs.jobs.models import Json
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.status import JobStatus

MOST = 50
ALIKE = (("plan", "method"), ("proxy", "name"), ("proxy", "model"), ("dataset", "task"))
"""What of a specification must be the same. Sizes, epochs and ratios are reckoned with."""


@dataclass(frozen=True)
class Precedent:
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


def precedents(engine: Engine, spec: JobSpec, *, guard: str, tenant: str) -> list[Precedent]:
    """The newest jobs of the tenant that are like this one; of the same dataset only, where there are any."""
    wanted = spec.model_dump(mode="json")
    query = select(jobs.c.spec, jobs.c.result, jobs.c.dataset_guard).where(
        jobs.c.tenant == tenant, jobs.c.status == JobStatus.SUCCEEDED
    )
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(jobs.c.created_at.desc()).limit(MOST)).all()
    found = [_precedent(row, guard) for row in rows if _is_like(row.spec, wanted)]
    return [one for one in found if one.same_dataset] or found


def _is_like(spec: Json, wanted: Json) -> bool:
    return all(spec[part].get(field) == wanted[part].get(field) for part, field in ALIKE)


def _precedent(row: Any, guard: str) -> Precedent:
    result: Json = row.result
    return Precedent(
        rows_in=result["rows_in"],
        full_run_rows=result["cost"]["full_run_rows"],
        of_one_full_run=result["cost"]["of_one_full_run"],
        seconds=sum(result.get("seconds", {}).values()) or result["cost"]["seconds"],
        peak_memory_bytes=result.get("peak_memory_bytes"),
        classes=result.get("classes"),
        same_dataset=row.dataset_guard == guard,
    )
