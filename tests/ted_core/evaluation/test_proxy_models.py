"""Models of a proxy's kind: trained on rows of one dataset, tested on another that is encoded alike."""

from pathlib import Path

import numpy as np
import pytest

from ted_core.datasets import DatasetSpec, Samples, load
from ted_core.errors import SplitsDiffer
from ted_core.evaluation.proxy_models import ProxyModels
from ted_core.proxies import ProxySpec, resolve_proxy
from tests.ted_core.datasets.files import parquet

PROXY = resolve_proxy(ProxySpec(name="mlp", epochs=4))


def table(path: Path, **columns: list[object]) -> Samples:
    parquet(path, **columns)
    return load(DatasetSpec(uri=str(path), task="tabular-classification"), roots=[path.parent])


def separable(path: Path, rows: int) -> Samples:
    """Two classes on both sides of zero."""
    x = np.random.default_rng(0).normal(size=rows)
    return table(path, x=list(x), y=list(-x), label=[int(value > 0) for value in x])


def test_a_model_learns_from_the_rows_that_it_is_given(tmp_path: Path) -> None:
    train, test = separable(tmp_path / "train.parquet", 600), separable(tmp_path / "test.parquet", 200)
    models = ProxyModels(train, test, PROXY)
    one_class = np.flatnonzero(train.labels == 1)

    assert models(np.arange(600), 0) > 0.95
    assert models(one_class, 0) == pytest.approx((test.labels == 1).mean()), "it has seen one class only"
    assert models(np.arange(600), 1) == models(np.arange(600), 1)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"x": [0.5, 1.5] * 10, "y": [1.0, 2.0] * 10, "label": [0, 2] * 10}, "the test data other ones"),
        ({"x": [0.5, 1.5] * 10, "label": [0, 1] * 10}, r"shape \(2,\) are trained on, and tested are .* \(1,\)"),
    ],
    ids=["classes", "inputs"],
)
def test_test_data_of_another_form_are_refused(tmp_path: Path, other: dict[str, list[object]], message: str) -> None:
    train = separable(tmp_path / "train.parquet", 20)

    with pytest.raises(SplitsDiffer, match=message):
        ProxyModels(train, table(tmp_path / "test.parquet", **other), PROXY)


def test_tables_whose_categories_are_numbered_apart_are_refused(tmp_path: Path) -> None:
    train = table(tmp_path / "train.parquet", x=["red", "green"] * 10, y=[1.0, 2.0] * 10, label=[0, 1] * 10)
    test = table(tmp_path / "test.parquet", x=["red", "blue"] * 10, y=[1.0, 2.0] * 10, label=[0, 1] * 10)

    with pytest.raises(SplitsDiffer, match="Categories of each table are numbered by its own rows"):
        ProxyModels(train, test, PROXY)
