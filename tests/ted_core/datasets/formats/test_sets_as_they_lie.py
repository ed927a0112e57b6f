"""The real sets are read as they lie there, without a conversion."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ted_core.datasets import DatasetSpec, inspect, load
from tests.ted_core.datasets.files import DIALOGUES, IMAGES, TABLE, TEXTS

NUMBERED: Mapping[str, Any] = {"format": "csv", "header": False, "task": TABLE}
INCOMES, TOPICS = ("<=50K", ">50K"), ("Business", "Sci/Tech", "Sports", "World")
NEWS: Mapping[str, Any] = {"header": False, "task": TEXTS, "input": "column_0", "target": "column_1"}
SETS: Mapping[str, tuple[Mapping[str, Any], int, tuple[str, ...]]] = {
    "adult/adult.data": ({**NUMBERED, "target": "column_14"}, 32_561, INCOMES),
    "adult/adult.test": ({**NUMBERED, "target": "column_14"}, 16_281, ("<=50K.", ">50K.")),
    "letter/letter.dat": (
        {**NUMBERED, "target": "column_16"},
        20_000,
        tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    ),
    "ag_news/alps_dev.tsv": ({**NEWS, "quoting": True}, 10_001, TOPICS),
    "ag_news/official_test.csv": (
        {**NEWS, "input": ["column_1", "column_2"], "target": "column_0"},
        7_600,
        ("1", "2", "3", "4"),
    ),
    "sst2/train.tsv": ({"task": TEXTS}, 60_614, ("0", "1")),
    "alpaca_9k/cherry_alpaca_5_percent.json": ({"task": DIALOGUES}, 3_111, ()),
    "cifar10/test.parquet": ({"task": IMAGES}, 10_000, tuple("0123456789")),
    "fashion_mnist": ({"task": IMAGES}, 60_000, tuple("0123456789")),
}


@pytest.mark.data
@pytest.mark.parametrize("name", SETS)
def test_a_set_is_read_as_it_lies_there(data_dir: Path, name: str) -> None:
    choices, rows, classes = SETS[name]
    spec = DatasetSpec.model_validate({"uri": str(data_dir / name), **choices})

    summary, samples = inspect(spec, roots=[data_dir]), load(spec, roots=[data_dir])

    assert (summary.rows, samples.rows, len(samples)) == (rows, rows, rows)
    assert samples.classes == classes
    assert not summary.warnings


@pytest.mark.data
def test_alpaca_is_read_as_it_lies_there_with_a_warning_of_its_empty_answers(data_dir: Path) -> None:
    spec = DatasetSpec(uri=str(data_dir / "alpaca_9k" / "random_9k.json"), task=DIALOGUES)

    summary, samples = inspect(spec, roots=[data_dir]), load(spec, roots=[data_dir])

    assert (summary.rows, samples.rows, len(samples)) == (9_229, 9_229, 9_229)
    assert [warning.code for warning in samples.warnings] == ["answers_empty"]
    assert "in 4 rows" in samples.warnings[0].message


@pytest.mark.data
def test_what_is_missing_in_adult_is_a_category_of_its_own(data_dir: Path) -> None:
    spec = DatasetSpec(
        uri=str(data_dir / "adult" / "adult.data"), **NUMBERED, input=["column_1", "column_6"], target="column_14"
    )

    inputs = load(spec, roots=[data_dir]).inputs

    assert inputs.shape == (32_561, 9 + 15), "workclass and occupation, '?' among them"
