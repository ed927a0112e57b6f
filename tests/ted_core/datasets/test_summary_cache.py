"""The summary of a dataset is remembered as long as its files stay as they are, and no longer."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ted_core.datasets import DatasetSpec, inspect, summary_cache
from ted_core.datasets.formats.base import SchemaSummary
from ted_core.datasets.loading import FORMATS
from ted_core.datasets.sources.base import Source
from ted_core.errors import DatasetUnreadable

HOUR_NS = 3600 * 10**9


class Counted:
    """A ``make`` that counts how often it was called."""

    def __init__(self, summary: SchemaSummary) -> None:
        self.summary = summary
        self.times = 0

    def __call__(self) -> SchemaSummary:
        self.times += 1
        return self.summary


@pytest.fixture(autouse=True)
def nothing_is_cached() -> Iterator[None]:
    summary_cache._summaries.clear()
    yield
    summary_cache._summaries.clear()


@pytest.fixture
def file(tmp_path: Path) -> Source:
    """A file that was last changed an hour ago."""
    return aged(tmp_path / "rows.parquet", "rows")


@pytest.fixture
def make() -> Counted:
    return Counted(SchemaSummary(("x", "label"), (3,)))


def aged(path: Path, content: str) -> Source:
    path.write_text(content)
    then = time.time_ns() - HOUR_NS
    os.utime(path, ns=(then, then))
    return Source.at(path)


def spec(**choices: str) -> DatasetSpec:
    return DatasetSpec.model_validate({"uri": "/data/rows.parquet", "task": "tabular-classification"} | choices)


def test_an_unchanged_dataset_is_summarized_once(file: Source, make: Counted) -> None:
    assert [summary_cache.cached_summary(spec(), [file], make) for _ in range(3)] == [make.summary] * 3
    assert make.times == 1


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"size": 5}, id="its size"),
        pytest.param({"modified": 1_000}, id="its time"),
        pytest.param({"key": "elsewhere/rows.parquet"}, id="its path"),
    ],
)
def test_a_changed_file_is_looked_at_again(file: Source, make: Counted, other: dict[str, object]) -> None:
    summary_cache.cached_summary(spec(), [file], make)
    summary_cache.cached_summary(spec(), [replace(file, **other)], make)  # type: ignore[arg-type]

    assert make.times == 2


def test_another_question_about_the_same_files_has_its_own_answer(file: Source, make: Counted) -> None:
    summary_cache.cached_summary(spec(), [file], make)
    summary_cache.cached_summary(spec(target="other"), [file], make)

    assert make.times == 2


@pytest.mark.parametrize("modified", [0, None], ids=["at an unknown time", "just now"])
def test_files_that_may_have_changed_unseen_are_looked_at_every_time(
    file: Source, make: Counted, modified: int | None
) -> None:
    lately = replace(file, modified=time.time_ns() if modified is None else modified)

    summary_cache.cached_summary(spec(), [file, lately], make)
    summary_cache.cached_summary(spec(), [file, lately], make)

    assert make.times == 2


def test_a_refusal_is_not_remembered(file: Source, make: Counted) -> None:
    def refuse() -> SchemaSummary:
        raise DatasetUnreadable("it is damaged", field="dataset.uri")

    with pytest.raises(DatasetUnreadable):
        summary_cache.cached_summary(spec(), [file], refuse)

    assert summary_cache.cached_summary(spec(), [file], make) == make.summary


def test_what_is_remembered_has_a_limit(file: Source) -> None:
    long = Counted(SchemaSummary(("x" * summary_cache.MOST_BYTES,), (3,)))
    summary_cache.cached_summary(spec(), [file], long)
    summary_cache.cached_summary(spec(), [file], long)
    assert long.times == 2

    for number in range(9):
        summary_cache.cached_summary(spec(target=str(number)), [file], Counted(SchemaSummary(("x" * (1 << 20),), (3,))))
    assert summary_cache._summaries.currsize <= summary_cache.MOST_BYTES


def test_a_text_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aged(tmp_path / "rows.jsonl", '{"x": 1, "label": 0}\n{"x": 2, "label": 1}\n')
    jsonl = spec(uri=str(tmp_path / "rows.jsonl"), format="jsonl")
    first = inspect(jsonl, roots=[tmp_path])

    def never(*_: object) -> SchemaSummary:
        raise AssertionError("it is cached already")

    monkeypatch.setitem(FORMATS, "jsonl", replace(FORMATS["jsonl"], schema_summary=never))

    assert inspect(jsonl, roots=[tmp_path]) == first
