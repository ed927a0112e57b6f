"""Who gets which device, and how much of what the worker has."""

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from ted_jobs.jobs.spec import JobSpec
from ted_jobs.settings import Settings
from worker.messages import Assignment
from worker.ranks.devices import RanksNotPossible, rank_devices, resolve_rank_device, shared_out
from worker.ranks.seats import Seats

SPEC = JobSpec.model_validate(
    {
        "dataset": {"uri": "/data/letters.csv", "task": "tabular-classification"},
        "plan": {"keep_ratio": 0.5},
        "proxy": {"name": "mlp"},
    }
)


def assignment(**changes: Any) -> Assignment:
    usual = {"device": "cpu", "threads": 5, "memory_bytes": 1000, "memory_ceiling": 2000, "max_undecodable": 0}
    folders = {"folder": Path("/work"), "dataset_roots": (Path("/data"),)}
    return Assignment(job_id="job", spec=SPEC, dataset_guard="", **(usual | folders | changes))


@pytest.mark.parametrize(
    ("settings", "devices"),
    [
        ({}, ("cpu",)),
        ({"ranks": 4}, ("cpu",) * 4),
        ({"devices": ("cuda:1", "cuda:0")}, ("cuda:1", "cuda:0")),
        ({"devices": ("auto",), "device": "auto"}, ("cuda:0", "cuda:1")),
    ],
    ids=str,
)
def test_every_rank_has_a_device(
    settings: dict[str, Any], devices: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)

    assert rank_devices(assignment(**settings)) == devices


def test_without_gpus_auto_means_one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)

    assert rank_devices(assignment(devices=("auto",), device="auto")) == ("auto",)


def test_threads_and_memory_are_divided_among_ranks() -> None:
    share = shared_out(assignment(), 2)

    assert (share.threads, share.memory_bytes, share.memory_ceiling) == (2, 500, 1000)
    assert shared_out(assignment(threads=1), 2).threads == 1
    assert shared_out(assignment(), 1) == assignment()


def test_each_host_has_ranks_of_its_own() -> None:
    first, second = (Seats(("cpu", "cpu"), node, nodes=2) for node in range(2))

    assert (list(first.numbers), list(second.numbers), second.size) == ([0, 1], [2, 3], 4)
    assert second.device(3) == "cpu"


@pytest.mark.parametrize("seats", [Seats(("cpu",), nodes=3), Seats(("cpu", "mps")), Seats(("cpu", "cuda:0"))], ids=str)
def test_ranks_that_cannot_work_together_are_refused(seats: Seats) -> None:
    with pytest.raises(RanksNotPossible):
        resolve_rank_device(seats, 0)


@pytest.mark.parametrize("variables", [{"TED_RANKS": "3"}, {"TED_DEVICES": "cuda:0,cuda:1,cuda:2"}], ids=str)
def test_an_odd_number_of_ranks_is_no_setting(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ValidationError, match="cannot be divided among two twins"):
        Settings()


def test_devices_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TED_DEVICES", "cuda:0, cuda:1")

    assert Settings().devices == ("cuda:0", "cuda:1")
