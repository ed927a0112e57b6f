"""Rows whose labels look wrong: how many, which, and the file that is read a page at a time."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from ted_core.datasets import Samples
from ted_core.results.decisions import Decisions
from ted_core.results.manifest_writer import write_manifest
from ted_core.results.provenance import ProxyAccuracy
from ted_core.results.suspects import listing
from ted_core.results.suspects.label_noise import label_noise, noise_interval, why_no_estimate
from ted_core.results.suspects.listing import lowest, read_suspects, write_suspects
from ted_core.selection.margin import NoiseEstimate
from ted_core.selection.rounds import Round
from tests.ted_core import examples
from tests.ted_core.results.decided import ROWS, decided, provenance

MARGIN = np.array([-0.5, 0.9, -0.9, np.nan, 0.0, -0.5, 0.3, -0.1], np.float32)
LIKELIEST = np.array([1, 1, 0, -1, 1, 0, 1, 1], np.int32)
SUSPICION = np.array([1, 9, 3, np.nan, 8, 1, 0, 2], np.float32)
RANKED = [2, 7, 0, 5]
"""The rows with negative margins by suspicion; of two that are equal the earlier one is first."""


def accuracy(*, has_learned: bool) -> ProxyAccuracy:
    return ProxyAccuracy(out_of_sample=0.5, standard_error=0.1, performance=0.5, has_learned=has_learned)


@pytest.fixture
def found() -> Decisions:
    return replace(decided(), margin=MARGIN, suspicion=SUSPICION, likeliest=LIKELIEST)


def written(folder: Path, found: Decisions, **how: Any) -> Path:
    data = folder / "data.npz"
    np.savez(data, x=np.zeros((ROWS, 1), np.float32), y=np.zeros(ROWS, np.int64))
    metadata = write_manifest(folder, found, provenance=provenance(data)).metadata
    return write_suspects(folder, found, metadata=metadata, **{"accuracy": None} | how)


# --- how many ---------------------------------------------------------------------------------------------------------


@given(wrong=st.integers(0, 40), more=st.integers(1, 4000))
def test_the_interval_is_wilsons_of_the_rows_that_were_counted(wrong: int, more: int) -> None:
    counted = wrong + more
    share = wrong / counted

    low, high = noise_interval(NoiseEstimate(share, rows_counted=counted, confidence=0.5))

    expected = binomtest(wrong, counted).proportion_ci(0.95, method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-5)
    assert low <= share < high


def ended(samples: Samples, noise: NoiseEstimate | None) -> Round:
    rows = len(samples)
    numbers = np.zeros(rows, np.float32)
    return Round(
        number=1,
        rounds=1,
        retained=np.ones(rows, bool),
        score=numbers,
        internal_generalization=numbers,
        last_round=np.ones(rows, np.uint16),
        train_loss=None,
        samples_trained=0,
        samples_measured=0,
        noise=noise,
    )


SAMPLES = examples.random_vectors(200)
NOISE = NoiseEstimate(0.1, rows_counted=150, confidence=0.5)


def test_the_estimate_says_how_many_rows_it_amounts_to() -> None:
    noise = label_noise(ended(SAMPLES, NOISE), SAMPLES, accuracy(has_learned=True))

    assert noise is not None
    assert (noise.share, noise.rows) == (0.1, 20)
    assert noise.low < 0.1 < noise.high


@pytest.mark.parametrize(
    ("samples", "noise", "has_learned"),
    [
        pytest.param(SAMPLES, None, True, id="nothing measured"),
        pytest.param(SAMPLES, NOISE, False, id="a proxy that has not learned"),
        pytest.param(replace(SAMPLES, classes=()), NOISE, True, id="no classes"),
        pytest.param(replace(SAMPLES, task="ranking"), NOISE, True, id="an installed package's loss"),
    ],
)
def test_there_is_no_estimate_without_something_to_rest_it_on(
    samples: Samples, noise: NoiseEstimate | None, has_learned: bool
) -> None:
    assert label_noise(ended(samples, noise), samples, accuracy(has_learned=has_learned)) is None


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"has_learned": False}, "has not learned"),
        ({"method": "el2n"}, "Method el2n does not ask models"),
        ({"task": "causal-lm"}, "Answers have no classes"),
        ({}, "every row has one class"),
    ],
)
def test_the_reason_for_no_estimate_is_given(facts: dict[str, Any], says: str) -> None:
    assert says in why_no_estimate(**{"method": "ted", "task": "image-classification", "has_learned": True} | facts)


# --- which ------------------------------------------------------------------------------------------------------------


def test_rows_with_negative_margins_are_listed_by_suspicion(tmp_path: Path, found: Decisions) -> None:
    listed = pq.read_table(written(tmp_path, found)).to_pylist()

    assert [row["row_index"] for row in listed] == RANKED
    assert [row["sample_key"] for row in listed] == [f"row-{row}" for row in RANKED]
    assert [row["label"] for row in listed] == ["cat", "cat", "cat", "cat"]
    assert [row["likeliest"] for row in listed] == [None, "dog", "dog", None], "none where it is the label itself"
    assert [row["kept"] for row in listed] == [True, True, False, False]


def test_a_row_without_a_label_is_listed_without_one(tmp_path: Path, found: Decisions) -> None:
    one = np.where(np.arange(ROWS) == 3, -1, 1).astype(np.float32)

    [row] = pq.read_table(written(tmp_path, replace(found, margin=one, suspicion=-one))).to_pylist()

    assert (row["row_index"], row["label"]) == (3, None)


def test_a_long_list_ends_with_the_least_suspicious_of_those_that_fit(
    tmp_path: Path, found: Decisions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_SUSPECTS", 3)

    listed = pq.read_table(written(tmp_path, found))

    assert listed["row_index"].to_pylist() == RANKED[:3]


@pytest.mark.parametrize("changes", [{"margin": None, "suspicion": None}, {}], ids=["nothing measured", "not learned"])
def test_a_list_may_be_empty(tmp_path: Path, found: Decisions, changes: dict[str, Any]) -> None:
    path = written(tmp_path, replace(found, **changes), accuracy=accuracy(has_learned=False))

    assert pq.read_table(path).num_rows == 0
    assert read_suspects(path, after=0, limit=10).num_rows == 0


@given(st.lists(st.sampled_from([-2.0, -1.0, -0.5, 0.0, 1.0, float("nan")]), max_size=30), st.integers(1, 12))
def test_the_lowest_values_are_those_that_sorting_everything_gives(values: list[float], most: int) -> None:
    among = [row % 3 != 0 for row in range(len(values))]

    rows = lowest(np.array(values, np.float32), np.array(among, bool), most=most)

    usable = [row for row, value in enumerate(values) if among[row] and value == value]  # noqa: PLR0124 - not NaN
    assert rows.tolist() == sorted(usable, key=lambda row: (values[row], row))[:most]


def all_suspect(found: Decisions) -> Decisions:
    """All rows, the first of them most."""
    margin = np.linspace(-1, -0.1, ROWS, dtype=np.float32)
    return replace(found, margin=margin, suspicion=-margin)


# --- a page at a time -------------------------------------------------------------------------------------------------


@pytest.fixture
def long_list(tmp_path: Path, found: Decisions, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight rows in groups of three."""
    monkeypatch.setattr(listing, "ROWS_PER_GROUP", 3)
    return written(tmp_path, all_suspect(found))


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
@pytest.mark.parametrize("after", range(ROWS + 2))
def test_every_page_is_that_part_of_the_list(long_list: Path, after: int, limit: int) -> None:
    page = read_suspects(long_list, after=after, limit=limit)

    assert page["row_index"].to_pylist() == list(range(ROWS))[after : after + limit]


def test_a_page_reads_no_row_group_but_its_own(long_list: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[list[int]] = []
    read_row_groups = pq.ParquetFile.read_row_groups

    def noted(file: pq.ParquetFile, groups: list[int]) -> Any:
        read.append(groups)
        return read_row_groups(file, groups)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", noted)

    read_suspects(long_list, after=4, limit=1)
    read_suspects(long_list, after=2, limit=2)

    assert read == [[1], [0, 1]]
