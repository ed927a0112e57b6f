"""The service does what its OpenAPI document says, whatever a client sends: every check of Schemathesis, and links."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
import schemathesis
import schemathesis.specs.openapi.checks  # registers the checks that need an OpenAPI document
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, CheckContext, GenerationMode, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.schemas import OpenApiSchema

from service.app import create_app, key_secret
from service.http import authentication, prefer_wait
from ted_jobs.api_keys.store import ApiKeyStore, NewApiKey, Scope
from ted_jobs.db.engine import make_engine
from ted_jobs.db.migrations import upgrade
from ted_jobs.settings import Settings
from tests.service import datasets
from tests.service.conftest import bearer

CASES = int(os.environ.get("TED_CONTRACT_CASES", "36"))
"""For each operation, with data that the document allows and with such that it does not; others each time where set."""
LEAST_CASES = 2000
WALKS, STEPS = 60, 10
OPTIONS = hypothesis_settings(
    max_examples=CASES,
    deadline=None,
    database=None,
    derandomize="TED_CONTRACT_CASES" not in os.environ,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
CONFIG = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 422, 429]
"""
"""422 is also for what no schema can say: that a file is not there, that a ratio leaves too few rows. The check below
sees to it that it is for nothing else."""


@schemathesis.check
def what_the_document_allows_is_refused_only_for_what_it_cannot_say(
    context: CheckContext, response: Response, case: Case
) -> bool | None:
    """A request that matches the schema is never an ``invalid_request``."""
    if response.status_code == 422 and case.meta and case.meta.generation.mode.is_positive:
        assert response.json()["code"] != "invalid_request", response.text
    return None


@dataclass(frozen=True)
class Stage:
    """The service on SQLite, which asks for keys, its document, and the header of a key that may do everything."""

    schema: OpenApiSchema
    headers: dict[str, str]
    job: dict[str, object]
    """A body that is taken as it is."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    home = tmp_path_factory.mktemp("home")
    data = home / "data"
    data.mkdir()
    datasets.write(data)
    settings = Settings(home=home, dataset_roots=(data,), auth="keys", log_level="CRITICAL")
    engine = make_engine(settings.database)
    upgrade(engine)
    key = NewApiKey(scopes=(Scope.ADMIN,), requests_per_minute=0, most_queued=10**6)
    _, text = ApiKeyStore(engine, secret=key_secret(settings)).create(key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            authentication, "REFUSALS_PER_MINUTE", 10**9
        )  # the checks come without a key on purpose, and often
        patch.setattr(prefer_wait, "MOST_SECONDS", 1)
        app, config = create_app(settings), SchemathesisConfig.from_str(CONFIG)
        dataset = {"uri": f"{data}/images.parquet", "task": "image-classification"}
        job = {"dataset": dataset, "proxy": {"name": "cnn"}, "plan": {"keep_ratio": 0.6}}
        yield Stage(schemathesis.openapi.from_asgi("/openapi.json", app, config=config), bearer(text), job)
    engine.dispose()


def test_every_check_passes_on_every_operation(stage: Stage) -> None:
    cases = 0
    for result in stage.schema.get_all_operations():
        for mode in MODES:
            cases += checked(result.ok(), mode, headers=stage.headers)

    assert cases >= LEAST_CASES


def checked(operation: APIOperation, mode: GenerationMode, *, headers: dict[str, str]) -> int:
    """How many cases passed all checks."""
    cases = 0

    @OPTIONS
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Case) -> None:
        nonlocal cases
        case.call_and_validate(headers=headers)
        cases += 1

    with suppress(Unsatisfiable):  # what takes no parameters cannot be asked wrongly
        check()
    return cases


def test_every_check_passes_along_the_links_between_operations(stage: Stage) -> None:
    steps: Counter[str] = Counter()

    class Walk(stage.schema.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: Case) -> dict[str, object]:
            return {"headers": stage.headers}

        def before_call(self, case: Case) -> None:
            if case.operation.label == "POST /v1/jobs" and case.meta.generation.mode.is_positive:
                case.body = stage.job

        def after_call(self, response: Response, case: Case) -> None:
            steps[f"{case.operation.label} {response.status_code}"] += 1

    Walk.run(settings=hypothesis_settings(OPTIONS, max_examples=WALKS, stateful_step_count=STEPS))

    assert steps["POST /v1/jobs 202"]
    assert steps["GET /v1/jobs/{job_id} 200"]
    assert steps["POST /v1/jobs/{job_id}/cancel 200"]
