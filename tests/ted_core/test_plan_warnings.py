"""What is unusual about a plan shows before anything is trained, and the defaults of no proxy are unusual."""

from typing import Any

import pytest

from ted_core.plan import PruningPlan
from ted_core.plan_warnings import plan_warnings
from ted_core.proxies import FAMILIES, ProxySpec, ResolvedProxy, Training, family_of
from ted_core.warnings import JobWarning


def found(name: str = "mlp", *, rows: int | None = 10_000, method: str = "ted", **training: Any) -> list[JobWarning]:
    spec = ProxySpec.model_validate({"name": name, **training})
    plan = PruningPlan.model_validate({"keep_ratio": 0.5, "method": method})
    return list(plan_warnings(plan, ResolvedProxy(family_of(name), Training.of(spec)), rows=rows))


def codes(warnings: list[JobWarning]) -> list[str]:
    return [warning.code for warning in warnings]


@pytest.mark.parametrize("method", ["ted", "el2n", "forgetting"])
@pytest.mark.parametrize("name", FAMILIES)
def test_no_proxys_own_training_is_unusual(name: str, method: str) -> None:
    assert not found(name, method=method)


@pytest.mark.parametrize("name", FAMILIES)
def test_two_epochs_are_few_for_every_proxy(name: str) -> None:
    (warning,) = found(name, epochs=2)

    assert (warning.code, warning.field) == ("few_epochs", "proxy.epochs")
    assert f"2 epochs are few for {name}" in warning.message


@pytest.mark.parametrize(("name", "few", "enough"), [("mlp", 2, 3), ("cnn", 2, 3), ("resnet18", 7, 8), ("lora", 2, 3)])
def test_a_quarter_of_the_usual_epochs_is_enough_but_never_fewer_than_twins_measure(
    name: str, few: int, enough: int
) -> None:
    assert codes(found(name, epochs=few)) == ["few_epochs"]
    assert not found(name, epochs=enough)


def test_methods_without_twins_may_fine_tune_for_two_epochs() -> None:
    assert not found("encoder", epochs=2, method="el2n")


@pytest.mark.parametrize("method", ["random", "stratified"])
def test_a_method_that_trains_nothing_warns_of_no_training(method: str) -> None:
    assert not found(method=method, epochs=2, learning_rate=10, batch_size=65536)


@pytest.mark.parametrize(("rate", "unusual"), [(10, True), (0.2, True), (0.1, False), (1e-4, False), (1e-5, True)])
def test_a_hundredth_or_a_hundredfold_of_the_usual_learning_rate_is_unusual(rate: float, unusual: bool) -> None:
    warnings = found("mlp", learning_rate=rate)

    assert codes(warnings) == ["unusual_learning_rate"] * unusual
    assert all(warning.field == "proxy.learning_rate" for warning in warnings)


def test_a_batch_of_all_that_a_twin_trains_on_is_large() -> None:
    (warning,) = found(rows=1000, batch_size=500)

    assert (warning.code, warning.field) == ("large_batches", "proxy.batch_size")
    assert "500 rows" in warning.message
    assert not found(rows=1002, batch_size=500)
    assert not found(rows=1000, batch_size=500, method="forgetting")
    assert codes(found(rows=500, batch_size=500, method="forgetting")) == ["large_batches"]


def test_the_usual_batch_is_not_large_though_there_are_few_rows() -> None:
    assert not found(rows=100)


def test_what_depends_on_rows_that_are_not_counted_is_left_out() -> None:
    assert not found(rows=None, batch_size=65536)
