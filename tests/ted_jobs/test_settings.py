"""What is derived from the settings and from the machine."""

import pytest

from ted_jobs import settings as module
from ted_jobs.settings import Settings


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
