"""What is derived from the settings and from the machine."""

import pytest

from ted_core.machine import memory
from ted_jobs import settings as module
from ted_jobs.settings import Settings

GIB = 1 << 30


@pytest.mark.parametrize(
    ("processors", "variables", "threads"),
    [
        pytest.param(8, {}, 8, id="one worker has them all"),
        pytest.param(8, {"TED_WORKERS": "2"}, 4, id="two have half of them each"),
        pytest.param(8, {"TED_WORKERS": "3"}, 2, id="none is shared"),
        pytest.param(2, {"TED_WORKERS": "4"}, 1, id="every worker has one"),
        pytest.param(8, {"TED_WORKERS": "2", "TED_RUNNER_THREADS": "6"}, 6, id="unless somebody has said how many"),
    ],
)
def test_the_workers_of_a_machine_share_its_processors(
    monkeypatch: pytest.MonkeyPatch, processors: int, variables: dict[str, str], threads: int
) -> None:
    monkeypatch.setattr(module, "processor_count", lambda: processors)
    monkeypatch.delenv("TED_RUNNER_THREADS", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert Settings().threads == threads


@pytest.mark.parametrize(("workers", "planned", "ceiling"), [(1, 32, 62), (2, 16, 31)])
def test_the_workers_of_a_machine_share_its_memory(
    monkeypatch: pytest.MonkeyPatch, workers: int, planned: int, ceiling: int
) -> None:
    monkeypatch.setattr(memory, "machine_memory", lambda: 64 * GIB)
    monkeypatch.setenv("TED_WORKERS", str(workers))

    settings = Settings()

    assert (settings.memory_bytes, settings.ceiling) == (planned * GIB, ceiling * GIB)


def test_memory_that_somebody_has_named_is_not_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TED_RUNNER_MEMORY_BYTES", str(3 * GIB))
    monkeypatch.setenv("TED_RUNNER_MEMORY_CEILING", str(5 * GIB))

    settings = Settings(workers=4)

    assert (settings.memory_bytes, settings.ceiling) == (3 * GIB, 5 * GIB)
