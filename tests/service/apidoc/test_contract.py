"""The service does what its OpenAPI document says, whatever a client sends: every check of Schemathesis, and links.

On both databases, with the keys of two tenants in turn.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, CheckContext, GenerationMode, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import negative_data_rejection  # registers the checks that need a document
from schemathesis.specs.openapi.schemas import OpenApiSchema

from service.app import create_app, key_secret
from service.http import authentication, prefer_wait
from ted_jobs.api_keys.store import ApiKeyStore, NewApiKey, Scope
from ted_jobs.settings import Settings
from tests.servers.databases import DATABASES, migrated
from tests.service import datasets
from tests.service.conftest import bearer

CASES = int(os.environ.get("TED_CONTRACT_CASES", "18"))
"""For each operation, with data that the document allows and with such that it does not; others each time where set."""
LEAST_CASES = 50 * CASES
WALKS, STEPS = 5 * CASES, 12
LEAST_FOLLOWED = 2
"""Operations on a job that a link has led to and that were answered. Which ones, chance decides, and anew with each
change of the document."""
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
positive_data_acceptance.expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 413, 422, 429]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429]
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
    """The service, which asks for keys, and its document."""

    schema: OpenApiSchema
    headers: Iterator[dict[str, str]]
    """The headers of keys that may do everything, each time the next tenant's."""
    job: dict[str, object]
    """A body that is taken as it is."""


@pytest.fixture(scope="module", params=DATABASES)
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    home = tmp_path_factory.mktemp("home")
    data = home / "data"
    data.mkdir()
    datasets.write(data)
    with DATABASES[request.param](home) as url, migrated(url) as engine, pytest.MonkeyPatch.context() as patch:
        settings = Settings(home=home, database_url=url, dataset_roots=(data,), auth="keys", log_level="CRITICAL")
        keys = ApiKeyStore(engine, secret=key_secret(settings))
        patch.setattr(
            authentication, "REFUSALS_PER_MINUTE", 10**9
        )  # the checks come without a key on purpose, and often
        patch.setattr(prefer_wait, "MOST_SECONDS", 1)
        app, config = create_app(settings), SchemathesisConfig.from_str(CONFIG)
        dataset = {"uri": f"{data}/images.parquet", "task": "image-classification"}
        job = {"dataset": dataset, "proxy": {"name": "cnn"}, "plan": {"keep_ratio": 0.6}}
        headers = cycle([bearer(admin_key(keys, tenant)) for tenant in ("first", "second")])
        yield Stage(schemathesis.openapi.from_asgi("/openapi.json", app, config=config), headers, job)


def admin_key(keys: ApiKeyStore, tenant: str) -> str:
    """The text of a new key that may do everything, as often as it likes."""
    key = NewApiKey(tenant=tenant, scopes=(Scope.ADMIN,), requests_per_minute=0, most_queued=10**6)
    return keys.create(key)[1]


def test_every_check_passes_on_every_operation(stage: Stage) -> None:
    cases = 0
    for result in stage.schema.get_all_operations():
        for mode in MODES:
            cases += checked(result.ok(), mode, headers=stage.headers)

    assert cases >= LEAST_CASES


def checked(operation: APIOperation, mode: GenerationMode, *, headers: Iterator[dict[str, str]]) -> int:
    """How many cases passed all checks."""
    cases = 0

    @OPTIONS
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Case) -> None:
        nonlocal cases
        assume(is_sent_as_generated(case))
        case.call_and_validate(headers=next(headers))
        cases += 1

    with suppress(Unsatisfiable):  # what takes no parameters cannot be asked wrongly
        check()
    return cases


def is_sent_as_generated(case: Case) -> bool:
    """Whether the labels in the query are text: a null would be wrong, but is sent as the word, which is right."""
    labels = (case.query or {}).get("metadata")
    return not isinstance(labels, dict) or all(isinstance(value, str) for value in labels.values())


def test_every_check_passes_along_the_links_between_operations(stage: Stage) -> None:
    steps: Counter[str] = Counter()
    owner = next(stage.headers)

    class Walk(stage.schema.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: Case) -> dict[str, object]:
            return {"headers": owner}

        def before_call(self, case: Case) -> None:
            if case.operation.label == "POST /v1/jobs" and case.meta.generation.mode.is_positive:
                case.body = stage.job

        def after_call(self, response: Response, case: Case) -> None:
            steps[f"{case.operation.label} {response.status_code}"] += 1

        def validate_response(self, response: Response, case: Case, *_: object, **kwargs: object) -> None:
            # A walk adds the key that a wrong request lacks, and parameters without a value are not sent: what was
            # generated wrong may arrive right. The test above looks at wrong requests.
            case.validate_response(response, excluded_checks=[negative_data_rejection], transport_kwargs=kwargs)

    Walk.run(settings=hypothesis_settings(OPTIONS, max_examples=WALKS, stateful_step_count=STEPS))

    followed = [step for step in steps if "{job_id}" in step and step.endswith((" 200", " 204"))]
    assert steps["POST /v1/jobs 202"]
    assert len(followed) >= LEAST_FOLLOWED, steps
