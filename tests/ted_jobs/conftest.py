"""A migrated database, and jobs to put into it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ted_core.datasets import DatasetSummary
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.store import JobStore
from tests.servers.databases import DATABASES, migrated

SPEC = JobSpec.model_validate(
    {
        "dataset": {"uri": "/data/digits.parquet", "task": "image-classification"},
        "proxy": {"name": "cnn"},
        "plan": {"keep_ratio": 0.6},
    }
)
SUMMARY = DatasetSummary(rows=1797, columns=("image", "label"), change_token="guard")  # noqa: S106 - of a file, no secret


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with DATABASES[request.param](tmp_path) as url, migrated(url) as engine:
        yield engine


@pytest.fixture
def store(engine: Engine) -> JobStore:
    return JobStore(engine, max_attempts=2)


@pytest.fixture
def leases(engine: Engine) -> Leases:
    return Leases(engine, lease_seconds=60)
