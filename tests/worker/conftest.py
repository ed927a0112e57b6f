"""Digits in a Parquet file, a migrated store, and jobs on them."""

import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sqlalchemy import Engine

from ted_core.datasets import inspect
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.servers.databases import migrated
from tests.servers.forked_runners import fork_runners, standby  # noqa: F401 - fixtures
from worker.supervisor import Supervisor


def png(pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scikit-learn's 1,797 digits as PNG bytes with labels."""
    data = load_digits()
    images = [png((image * 15.9375).astype("uint8")) for image in data.images]
    path = tmp_path_factory.mktemp("datasets") / "digits.parquet"
    pq.write_table(pa.table({"image": images, "label": data.target}), path)
    return path


def settings_of(home: Path, digits: Path) -> Settings:
    """The settings of a worker with this home folder, which may read the digits."""
    return Settings(
        home=home,
        dataset_roots=(digits.parent, home),
        heartbeat_seconds=0.2,
        cancel_grace_seconds=1,
        device="cpu",
        runner_threads=2,
    )


@pytest.fixture
def settings(tmp_path: Path, digits: Path) -> Settings:
    return settings_of(tmp_path, digits)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    with migrated(settings.database) as engine:
        yield engine


@pytest.fixture
def store(engine: Engine) -> JobStore:
    return JobStore(engine, max_attempts=2)


@pytest.fixture
def leases(engine: Engine, settings: Settings) -> Leases:
    return Leases(engine, lease_seconds=settings.lease_seconds)


@pytest.fixture
def claimed(store: JobStore, leases: Leases, settings: Settings, digits: Path) -> Callable[..., Claim]:
    return claims(store, leases, settings, digits)


def claims(store: JobStore, leases: Leases, settings: Settings, digits: Path) -> Callable[..., Claim]:
    """Return what claims a job on the digits (or another dataset) with this many epochs."""

    def claim(
        *,
        epochs: int = 3,
        uri: Path = digits,
        deadline_seconds: int | None = None,
        proxy: Mapping[str, object] = MappingProxyType({}),
        image_size: int | None = None,
        report_samples: bool = True,
        **plan: object,
    ) -> Claim:
        spec = JobSpec.model_validate(
            {
                "dataset": {"uri": str(uri), "task": "image-classification", "image_size": image_size},
                "proxy": {"name": "mlp", "epochs": epochs, **proxy},
                "plan": {"keep_ratio": 0.6, **plan},
                "deadline_seconds": deadline_seconds,
                "report_samples": report_samples,
            }
        )
        summary = inspect(spec.dataset, roots=settings.dataset_roots)
        job_id = store.submit(spec, summary, tenant="default").job.id
        claim = leases.claim(job_id, worker="test")
        assert claim
        return claim

    return claim


@pytest.fixture
def supervised(leases: Leases, settings: Settings) -> Callable[[Claim], Supervisor]:
    """The supervisor of a claimed job."""
    artifacts = ArtifactStore(settings.artifacts)
    return lambda claim: Supervisor(claim, leases=leases, store=artifacts, settings=settings)
