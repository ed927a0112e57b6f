"""What a run will take is planned before any of it is asked for; one that cannot fit names the field that helps."""

from dataclasses import replace
from typing import Any

import pytest

from ted_core.errors import ModelTooLarge
from ted_core.memory_plan import MemoryPlan, Workload, plan_memory, require_batch_memory, require_memory
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.proxies.model_size import planned_size

MIB, GIB = 1 << 20, 1 << 30


def workload(
    shape: tuple[int, ...] = (3, 32, 32), *, rows: int = 10_000, plan: dict[str, Any] | None = None, **proxy: Any
) -> Workload:
    resolved = resolve_proxy(ProxySpec(**{"name": "resnet18"} | proxy))
    size = planned_size(resolved, shape, 2)
    assert size
    return Workload(PruningPlan(**{"keep_ratio": 0.5, "q": 1.0} | (plan or {})), resolved, size, shape, rows=rows)


def require(work: Workload, *, ceiling: int) -> None:
    memory = plan_memory(work)
    require_memory(memory, work, ceiling=ceiling)
    require_batch_memory(memory, work, ceiling=ceiling)


def refusal(work: Workload, *, ceiling: int) -> ModelTooLarge:
    with pytest.raises(ModelTooLarge) as refused:
        require(work, ceiling=ceiling)
    return refused.value


def test_twins_and_the_first_one_s_weights_exist_at_the_same_time_and_a_third_model_chooses_q() -> None:
    given, chosen = (plan_memory(workload(plan={"q": q})) for q in (1.0, "auto"))

    weights = 4 * workload().size.parameters
    assert given.models == chosen.models == (1 + 2 * 3) * weights
    assert (given.candidate, chosen.candidate) == (0, 3 * weights)


def test_the_guard_s_models_take_as_much_as_those_that_choose_q_and_batches_of_both_as_much_as_usual_ones() -> None:
    given, guarded, chosen = (plan_memory(workload(plan=plan)) for plan in ({}, {"guard": True}, {"q": "auto"}))

    assert guarded.candidate == chosen.candidate > 0
    assert guarded.training == chosen.training == given.training


def test_a_guard_s_batch_may_hold_all_rows_that_are_kept_where_a_twin_s_holds_half_of_all() -> None:
    given, guarded = (
        plan_memory(workload(rows=100, batch_size=4096, plan={"keep_ratio": 0.8} | plan)).training
        for plan in ({}, {"guard": True})
    )

    assert guarded == pytest.approx(1.6 * given)


def test_a_method_that_trains_nothing_takes_no_model() -> None:
    memory = plan_memory(workload((3, 1024, 1024), rows=32, plan={"method": "random"}, name="mlp"))

    assert memory.peak == memory.inputs == 32 * (3 * 1024**2 + 250)


def test_a_large_batch_takes_no_more_than_there_are_rows_to_train_on() -> None:
    few, many = (plan_memory(workload(rows=rows, batch_size=65536)).training for rows in (100, 200))

    assert many == 2 * few


def test_cut_batches_take_a_part() -> None:
    whole = workload(plan={"q": 1.0})
    cut = replace(whole, proxy=replace(whole.proxy, batch_parts=4))

    assert plan_memory(cut).training == plan_memory(whole).training / 4
    assert plan_memory(cut).measuring == plan_memory(whole).measuring / 4


def test_inputs_of_more_than_a_quarter_of_the_memory_are_mapped() -> None:
    inputs = 10_000 * 3 * 32 * 32

    held, mapped = (plan_memory(replace(workload(), memory_bytes=times * inputs)).inputs for times in (4, 3))

    assert held - mapped == inputs


@pytest.mark.parametrize(("resizable", "field"), [(True, "dataset.image_size"), (False, "proxy.name")])
def test_a_perceptron_on_large_images_is_refused_however_few_there_are(resizable: bool, field: str) -> None:
    work = replace(workload((3, 1024, 1024), rows=32, name="mlp"), resizable=resizable)

    error = refusal(work, ceiling=20 * GIB)

    assert plan_memory(work).peak > 40 * GIB
    assert (error.field, error.retryable) == (field, False)
    assert "mlp on inputs of shape (3, 1024, 1024) takes" in error.fact


@pytest.mark.parametrize("q", [1.0, "auto"])
def test_a_batch_that_is_too_large_is_refused_with_the_largest_that_fits(q: object) -> None:
    work = workload(batch_size=2048, plan={"q": q})

    error = refusal(work, ceiling=4 * GIB)

    assert error.field == "proxy.batch_size"
    fitting = int(error.fact.split("one of ")[1].split()[0])
    fits, exceeds = (_planned(fitting + more, q) for more in (0, 1))
    assert 100 < fitting < 2048
    assert _trained(fits) <= 4 * GIB < _trained(exceeds)


def _planned(batch_size: int, q: object) -> MemoryPlan:
    return plan_memory(workload(batch_size=batch_size, plan={"q": q}))


def _trained(memory: MemoryPlan) -> int:
    return memory.fixed + memory.training


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet18", "resnet9"])
def test_usual_jobs_fit_into_two_gibibytes(name: str) -> None:
    work = workload(rows=50_000, name=name, plan={"q": "auto"})

    require(work, ceiling=2 * GIB)


def texts(**proxy: Any) -> Workload:
    """Long texts, of which eight are calculated at a time."""
    work = workload(shape=(3, 32, 32), plan={"q": 1.0}, **proxy)
    return replace(work, shape=(), size=replace(work.size, rows_at_once=8))


def test_a_batch_of_texts_takes_no_more_than_those_that_are_calculated_at_a_time() -> None:
    few, eight, many = (plan_memory(texts(batch_size=size)).training for size in (2, 8, 512))

    assert 4 * few == eight == many


def test_only_its_model_refuses_a_proxy_that_reads_texts() -> None:
    work = texts()
    memory = plan_memory(work)
    fixed = memory.models + memory.inputs

    require_memory(memory, work, ceiling=fixed)
    assert fixed < memory.peak
    assert refusal(work, ceiling=fixed - 1).field == "proxy.model"


def test_a_frozen_model_takes_its_memory_before_the_others_are_built() -> None:
    work = workload((384,), name="mlp", plan={"q": 1.0})
    memory, large = plan_memory(work), plan_memory(replace(work, features_bytes=GIB))

    assert memory.peak < large.peak == GIB + memory.inputs
    assert refusal(replace(work, features_bytes=GIB), ceiling=GIB).field == "proxy.model"


def test_an_owner_holds_its_share_of_the_inputs_and_what_is_known_of_all_rows() -> None:
    whole = workload(rows=10_000)

    held = [plan_memory(replace(whole, held=rows)).inputs for rows in (0, 2_500, 5_000)]

    assert held[0] == 250 * 10_000
    assert held[1] - held[0] == (held[2] - held[0]) / 2 == (plan_memory(whole).inputs - held[0]) / 4
