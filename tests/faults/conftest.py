"""The deployments that faults are injected into, one for each database, and the results of undisturbed runs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine

from tests.faults.cluster import Cluster, postgresql
from tests.faults.driver import Body, Driver, read_promises
from tests.faults.faults import ROUNDS, SEEDS, FaultContext
from tests.faults.matrix import BOTH, CONTENT, MatrixRow
from tests.faults.outcome import Golden, Outcome, assess, job_histories
from tests.faults.results_table import NEIGHBOURS, RESULTS_TABLE
from tests.faults.service import Service, serving
from tests.faults.webhook_listener import WebhookListener
from tests.servers.databases import migrated
from tests.servers.stacks import until


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for title, lines in {"nothing lost": RESULTS_TABLE.text, "a tenant beside another": NEIGHBOURS.lines}.items():
        if lines:
            terminalreporter.section(title)
            terminalreporter.write("\n".join([*lines, ""]))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Drop the rows of the matrix that do not apply to a database, and mark those that not every run tries."""
    items[:] = [item for item in items if _applies(item)]


def _applies(item: pytest.Item) -> bool:
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    row, database = parameters.get("row"), parameters.get("deployment")
    if not isinstance(row, MatrixRow):
        return True
    if database not in row.always:
        item.add_marker(pytest.mark.faults)
    return database in row.databases


def body_on(table: Path) -> Body:
    """A small job: a table, an MLP, a few rounds."""

    def body(seed: int) -> Mapping[str, Any]:
        return {
            "dataset": {"uri": str(table), "task": "tabular-classification", "target": "label"},
            "proxy": {"name": "mlp", "epochs": 4},
            "plan": {"keep_ratio": 0.5, "q": 1, "rounds": ROUNDS, "seed": seed},
        }

    return body


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three overlapping classes of points."""
    random = np.random.default_rng(0)
    labels = np.arange(90) % 3
    points = {f"x{axis}": random.normal(labels, 1).astype("float32") for axis in range(4)}
    path = tmp_path_factory.mktemp("data") / "points.parquet"
    pq.write_table(pa.table(points | {"label": labels}), path)
    return path


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with postgresql() as running:
        yield running


@dataclass(frozen=True)
class Deployment:
    """A service, its database, and the results of each seed if nothing goes wrong."""

    database: str
    service: Service
    engine: Engine
    cluster: Cluster | None
    results: Mapping[int, Golden]

    def golden(self, *digests: str) -> Mapping[int, Golden]:
        """Return these digests of the undisturbed run of each seed."""
        return {seed: {name: result[name] for name in digests} for seed, result in self.results.items()}

    def context(self, driver: Driver) -> FaultContext:
        return FaultContext(self.service, driver, self.engine, self.cluster)


@pytest.fixture(scope="module", params=BOTH)
def deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, table: Path
) -> Iterator[Deployment]:
    """Real processes on the database that the parameter names, and their golden runs."""
    with deploy(request, tmp_path_factory.mktemp("home"), table) as deployment:
        yield deployment


@contextmanager
def deploy(
    request: pytest.FixtureRequest, home: Path, table: Path, *, runner: str = "worker.runner", **environment: str
) -> Iterator[Deployment]:
    """Yield a service on the database that the request's parameter names."""
    cluster = request.getfixturevalue("cluster") if request.param == "postgresql" else None
    url = cluster.new_database() if cluster else f"sqlite:///{home / 'ted.db'}"
    settings = {"database": url, "roots": table.parent, "runner": runner, **environment}
    with migrated(url) as engine, serving(home, **settings) as service:
        yield Deployment(request.param, service, engine, cluster, undisturbed(service, engine, body_on(table)))


def undisturbed(service: Service, engine: Engine, body: Body) -> dict[int, Golden]:
    """The result of each seed."""
    driver = Driver(service.url, body=body, log=service.home / "golden.jsonl")
    promises = driver.submit(SEEDS)
    driver.close()
    return {promise.seed: _result(engine, promise.job_id) for promise in promises}


def _result(engine: Engine, job_id: str) -> Golden:
    until(lambda: job_histories(engine)[job_id].row.status == "succeeded")
    result: Golden = job_histories(engine)[job_id].row.result
    return result


@pytest.fixture
def driver(deployment: Deployment, table: Path, tmp_path: Path) -> Iterator[Driver]:
    """A client of the service, whose promises are logged in this test's own folder."""
    driver = Driver(deployment.service.url, body=body_on(table), log=tmp_path / "promises.jsonl")
    yield driver
    driver.close()
    deployment.service.restore()


def settle(
    deployment: Deployment,
    driver: Driver,
    folder: Path,
    *,
    name: str,
    agrees: str = CONTENT,
    listener: WebhookListener | None = None,
) -> Outcome:
    """Return the outcome, once every promised job has ended, no runner is left and all webhooks are sent."""
    driver.promises()
    until(deployment.context(driver).settled, seconds=90)
    until(lambda: not deployment.service.runners(), seconds=5)
    until(lambda: listener is None or listener.all_sent(), seconds=30)
    promises, root = read_promises(folder / "promises.jsonl"), deployment.service.settings.artifacts
    golden, fault_at = deployment.golden(agrees), deployment.service.fault_at
    outcome = assess(deployment.engine, promises, golden=golden, root=root, fault_at=fault_at, listener=listener)
    RESULTS_TABLE.add(name, deployment.database, outcome)
    return outcome
