"""The types of answers are those of the OpenAPI document, and real answers have their fields."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ted_client import Client, answers
from ted_jobs.settings import Settings

ROOT = Path(__file__).parents[2]


def test_the_types_are_those_of_the_document() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/answers", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


@pytest.fixture
def ask(url: str, settings: Settings) -> Callable[[str], Any]:
    """What the service says about a job that it has just stored."""

    def answer(kind: str) -> Any:
        request = {
            "dataset": {"uri": f"{settings.dataset_roots[0]}/images.parquet", "task": "image-classification"},
            "proxy": {"name": "cnn"},
            "plan": {"keep_ratio": 0.6},
        }
        with Client(url) as client:
            job = client.submit(request)
            said = {
                "EstimateJson": lambda: client.estimate(request),
                "EventJson": lambda: next(iter(client.events(job.id))),
                "JobJson": lambda: job.facts,
                "ProxyJson": lambda: client.proxies()[0],
                "QueueJson": job.queue,
                "ReadinessJson": client.ready,
            }
            return said[kind]()

    return answer


@pytest.mark.parametrize("kind", ["EstimateJson", "EventJson", "JobJson", "ProxyJson", "QueueJson", "ReadinessJson"])
def test_an_answer_has_the_fields_of_its_type(ask: Callable[[str], Any], kind: str) -> None:
    fields = getattr(answers, kind)

    said = ask(kind).keys()

    assert fields.__required_keys__ <= said <= fields.__annotations__.keys()
