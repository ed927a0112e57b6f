"""Many claimers, each with connections of its own, and every job claimed once."""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine

from ted_jobs.db.engine import make_engine
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.store import JobStore
from tests.ted_jobs.jobs.test_store import submitted

CLAIMERS, JOBS = 8, 200


def claims(url: str, job_ids: Sequence[str], *, seed: int) -> list[str]:
    """The jobs that a claimer gets which tries for all, in an order of its own."""
    engine = make_engine(url)
    leases, chance = Leases(engine), random.Random(seed)  # noqa: S311 - to be repeatable, not secret
    order = chance.sample(job_ids, len(job_ids))
    won = [job_id for job_id in order if leases.claim(job_id, worker=str(seed))]
    engine.dispose()
    return won


def test_eight_claimers_get_every_one_of_200_jobs_exactly_once(engine: Engine, store: JobStore) -> None:
    job_ids = [submitted(store) for _ in range(JOBS)]
    url = engine.url.render_as_string(hide_password=False)

    with ThreadPoolExecutor(CLAIMERS) as pool:
        won = list(pool.map(lambda seed: claims(url, job_ids, seed=seed), range(CLAIMERS)))

    assert sorted(job_id for mine in won for job_id in mine) == sorted(job_ids)
    assert sum(map(bool, won)) > 1
    assert {job.attempt for job_id in job_ids if (job := store.job(job_id, tenant="default"))} == {1}
