"""Processes that look at datasets, and may die of them."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from service.inspection import processes as module
from service.inspection.errors import InspectionBusy
from service.inspection.process import COMMAND, InspectionProcess
from service.inspection.processes import InspectionDefect, InspectionProcesses
from ted_core.datasets import DatasetSummary, inspect, inspection_messages
from ted_core.datasets.budget import Budget, limited
from ted_core.datasets.inspection_messages import InspectionAnswer, InspectionRefusal, InspectionRequest
from ted_core.errors import DatasetNotFound, DatasetUnreadable, StoreUnavailable, TedError
from tests.servers.stacks import until
from tests.service.inspection.files import request, slow_jsonl, small_table, with_flipped_bits
from tests.ted_core.datasets.forged import deep_paths

ROWS = 40
MUTATIONS = 150


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[InspectionProcess]]:
    """Every process that the test starts; none is left."""
    started: list[InspectionProcess] = []

    def start() -> InspectionProcess:
        started.append(InspectionProcess())
        return started[-1]

    monkeypatch.setattr(module, "InspectionProcess", start)
    yield started
    until(lambda: not any(psutil.pid_exists(process.pid) for process in started), seconds=5)


@pytest.fixture
def own(started: list[InspectionProcess]) -> Iterator[InspectionProcesses]:
    """Processes that the test may end."""
    own = InspectionProcesses()
    yield own
    own.close()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return small_table(tmp_path / "table.parquet")


@pytest.fixture
def slow(tmp_path: Path) -> InspectionRequest:
    """A look that takes two seconds."""
    return request(slow_jsonl(tmp_path / "slow.jsonl.gz"), format="jsonl")


@pytest.fixture
def look(own: InspectionProcesses) -> Iterator[Callable[[InspectionRequest], Future[DatasetSummary]]]:
    """Begin a look, in a process that is warm."""
    with ThreadPoolExecutor() as threads:
        yield lambda asked: threads.submit(own.inspect, asked)


def test_a_process_tells_what_a_look_at_the_dataset_would(table: Path, processes: InspectionProcesses) -> None:
    with limited(Budget(preview_seconds=60)):
        look = inspect(request(table).spec, roots=[table.parent])

    assert processes.inspect(request(table)) == look


def test_a_refusal_becomes_the_same_error_again(table: Path, processes: InspectionProcesses) -> None:
    with pytest.raises(DatasetNotFound, match=r"elsewhere.parquet does not exist") as refusal:
        processes.inspect(request(table.with_name("elsewhere.parquet")))

    assert refusal.value.field == "dataset.uri"


def test_an_error_that_only_a_plug_in_knows_is_a_refusal() -> None:
    error = InspectionRefusal(code="of_a_plug_in", fact="It is odd", field="dataset.input").error()

    assert isinstance(error, DatasetUnreadable)
    assert (error.fact, error.field) == ("It is odd", "dataset.input")


def test_an_error_without_a_name_is_a_defect_of_the_service(table: Path, own: InspectionProcesses) -> None:
    own._ask = lambda _: InspectionAnswer(defect="Traceback …")  # type: ignore[method-assign]

    with pytest.raises(InspectionDefect, match="Traceback"):
        own.inspect(request(table))


def test_a_dataset_that_ends_its_process_is_refused_and_the_next_one_is_looked_at(
    table: Path, own: InspectionProcesses, started: list[InspectionProcess]
) -> None:
    """Whatever ends it: its stack, its memory or, on a busy machine, its time."""
    deep = deep_paths(table.with_name("deep.parquet"), columns=14_000)

    ways = r"has ended the process that did|takes more than 512 MiB|took longer than"
    with pytest.raises((DatasetUnreadable, InspectionBusy), match=ways):
        own.inspect(request(deep))

    assert own.inspect(request(table)).rows == ROWS
    assert len(started) <= 2


def test_no_mutation_of_a_footer_ends_more_than_a_process_apart(table: Path, own: InspectionProcesses) -> None:
    """One in two hundred ends the process that looks at it."""
    mutated = table.with_name("mutated.parquet")
    outcomes = []
    for seed in range(MUTATIONS):
        mutated.write_bytes(with_flipped_bits(table, seed=seed))
        outcomes.append(outcome(own, mutated))

    assert {type(outcome) for outcome in outcomes} >= {DatasetSummary, DatasetUnreadable}
    assert own.inspect(request(table)).rows == ROWS


def outcome(own: InspectionProcesses, path: Path) -> DatasetSummary | TedError:
    """What a look comes to; any other error would be a defect."""
    try:
        return own.inspect(request(path))
    except TedError as error:
        return error


def test_a_process_that_is_killed_from_outside_costs_the_client_nothing(
    table: Path,
    slow: InspectionRequest,
    own: InspectionProcesses,
    started: list[InspectionProcess],
    look: Callable[[InspectionRequest], Future[DatasetSummary]],
) -> None:
    own.inspect(request(table))
    begun = look(slow)
    until(lambda: psutil.Process(started[0].pid).cpu_percent(0.1) > 10)

    os.kill(started[0].pid, signal.SIGKILL)

    assert begun.result(30).columns == ("x", "label")
    assert len(started) == 2


def test_a_look_that_was_killed_twice_is_refused(
    slow: InspectionRequest,
    started: list[InspectionProcess],
    look: Callable[[InspectionRequest], Future[DatasetSummary]],
) -> None:
    begun = look(slow)
    for number in range(2):
        until(lambda number=number: len(started) > number)  # type: ignore[misc]
        os.kill(started[number].pid, signal.SIGKILL)

    with pytest.raises(DatasetUnreadable, match="SIGKILL"):
        begun.result(30)


def test_a_process_that_has_died_unnoticed_costs_the_client_nothing(
    table: Path, own: InspectionProcesses, started: list[InspectionProcess]
) -> None:
    own.inspect(request(table))
    os.kill(started[0].pid, signal.SIGKILL)
    time.sleep(0.1)

    assert own.inspect(request(table)).rows == ROWS


def test_a_process_that_is_frozen_is_given_up(
    table: Path, own: InspectionProcesses, started: list[InspectionProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    own.inspect(request(table))
    monkeypatch.setattr(inspection_messages, "LOCAL_SECONDS", 0.2)
    os.kill(started[0].pid, signal.SIGSTOP)

    with pytest.raises(InspectionBusy, match=r"took longer than 0\.2 s"):
        own.inspect(request(table))
    with pytest.raises(StoreUnavailable, match="longer than"):
        raise module._refusal(at_a_store(), module.InspectionEnded(signal.SIGALRM))


def test_a_dataset_that_takes_too_much_computing_is_refused(table: Path, own: InspectionProcesses) -> None:
    with pytest.raises(DatasetUnreadable, match="more than 3 s of a processor"):
        raise module._refusal(request(table), module.InspectionEnded(signal.SIGPROF))


def at_a_store() -> InspectionRequest:
    return InspectionRequest.model_validate(
        {"spec": {"uri": "s3://bucket/x.parquet", "task": "tabular-classification"}, "roots": ()}
    )


def test_a_dataset_is_looked_at_by_the_process_that_has_seen_it(
    table: Path, own: InspectionProcesses, started: list[InspectionProcess]
) -> None:
    other = small_table(table.with_name("other.parquet"))
    own.warm_up(2)
    own.inspect(request(table))
    own.inspect(request(other))

    for path in (other, table, table, other):
        own.inspect(request(path))

    assert [own._last[str(path)] for path in (table, other)] == started


def test_nothing_is_started_once_the_service_ends(
    slow: InspectionRequest,
    own: InspectionProcesses,
    started: list[InspectionProcess],
    look: Callable[[InspectionRequest], Future[DatasetSummary]],
) -> None:
    begun = look(slow)
    until(lambda: started)

    own.close()

    with pytest.raises(InspectionBusy):
        begun.result(10)
    assert len(started) == 1


def test_a_process_ends_with_its_input_and_prints_nothing_of_its_own() -> None:
    strict = os.environ | {"PYTHONWARNINGS": "error"}

    ended = subprocess.run(COMMAND, check=False, input=b"", capture_output=True, timeout=60, env=strict)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, inspection_messages.READY, b"")


def test_a_refusal_may_name_files_whose_names_are_no_text(tmp_path: Path, processes: InspectionProcesses) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.idx")).touch()

    with pytest.raises(TedError, match=r"caf\\udce9"):
        processes.inspect(request(tmp_path, format="idx", task="image-classification"))
