"""What a plan costs at most, counted before anything is trained, is what its loop then trains and measures."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, ResolvedProxy, resolve_proxy
from ted_core.selection.prune import prune
from ted_core.selection.workload import (
    full_run_work,
    loop_rows_measured,
    loop_rows_trained,
    most_work,
    preparation,
    relative_row_work,
)
from tests.ted_core import examples

ROWS = 1_000_000


def runs(*, epochs: int, keep_ratio: float, rows: int = ROWS) -> float:
    """What the default plan costs, measuring included, in full training runs."""
    work = most_work(rows, PruningPlan(keep_ratio=keep_ratio), resolve_proxy(ProxySpec(name="mlp", epochs=epochs)))
    assert work is not None
    return work / (rows * epochs)


@given(st.integers(2, 1000), st.floats(0.001, 0.999), st.integers(1, 10**6))
def test_the_default_plan_never_costs_more_than_one_full_run(epochs: int, keep_ratio: float, rows: int) -> None:
    assert runs(epochs=epochs, keep_ratio=keep_ratio, rows=rows) <= 1


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [
        (2, {0.7: 0.667, 0.5: 0.667, 0.3: 0.667}),
        (3, {0.7: 0.778, 0.5: 0.778, 0.3: 0.778}),
        (4, {0.7: 0.842, 0.5: 0.792, 0.3: 0.742}),
        (5, {0.7: 0.673, 0.5: 0.633, 0.3: 0.593}),
        (6, {0.7: 0.561, 0.5: 0.528, 0.3: 0.494}),
        (12, {0.7: 0.339, 0.5: 0.306, 0.3: 0.272}),
    ],
)
def test_what_few_epochs_cost(epochs: int, expected: dict[float, float]) -> None:
    assert {kept: round(runs(epochs=epochs, keep_ratio=kept), 3) for kept in expected} == expected


@pytest.mark.parametrize("epochs", [2, 3, 4, 6])
@pytest.mark.parametrize("keep_ratio", [0.3, 0.7])
def test_the_loop_trains_and_measures_what_was_counted(epochs: int, keep_ratio: float) -> None:
    samples, plan = examples.random_vectors(100, classes=3), PruningPlan(keep_ratio=keep_ratio)
    proxy = resolve_proxy(ProxySpec(name="mlp", epochs=epochs))

    *_, final = prune(samples, plan, proxy=proxy)

    assert final.samples_trained == loop_rows_trained(100, plan, proxy)
    assert final.samples_measured == loop_rows_measured(100, plan, proxy)
    assert final.retained.sum() == round(100 * keep_ratio)


def test_frozen_blocks_are_calculated_once_and_counted_on_both_sides(encoder_folder: Path) -> None:
    """Of two equal blocks, training on the last takes three multiplications, calculating the first takes one."""
    spec = ProxySpec(name="encoder", model=str(encoder_folder), epochs=3)
    plan, whole, last = PruningPlan(keep_ratio=0.5), resolve_proxy(spec), _with_blocks(spec, 1)

    assert (preparation(600, whole), relative_row_work(whole)) == (0, 1)
    assert preparation(600, last) == pytest.approx(200)
    assert relative_row_work(last) == pytest.approx(1 / 2)
    assert full_run_work(600, last) == pytest.approx(600 * 3 + 200)
    assert most_work(600, plan, last) == pytest.approx((most_work(600, plan, whole) or 0) + 200)


def test_training_all_blocks_by_number_is_training_the_whole_model(encoder_folder: Path) -> None:
    every = _with_blocks(ProxySpec(name="encoder", model=str(encoder_folder)), 2)

    assert (preparation(600, every), relative_row_work(every)) == (0, 1)


def _with_blocks(spec: ProxySpec, count: int) -> ResolvedProxy:
    return resolve_proxy(spec.model_copy(update={"train_blocks": count}))
