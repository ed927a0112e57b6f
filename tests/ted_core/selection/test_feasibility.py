"""What cannot work is refused before anything is trained, naming the field to change."""

from dataclasses import replace
from typing import Any

import pytest

from ted_core.datasets import DatasetSpec
from ted_core.datasets.spec import InputKind
from ted_core.errors import (
    MethodUnsuited,
    ProxyMismatch,
    SettingUnsuited,
    SingleClass,
    TedError,
    TooFewRounds,
    TooFewRowsKept,
    TooFewShards,
    UnknownProxy,
)
from ted_core.plan import PruningPlan
from ted_core.proxies import FAMILIES, ProxySpec, ResolvedProxy, Training, family_of, model_files, resolve_proxy
from ted_core.selection.feasibility import check_feasibility, check_shards


def checked(
    plan: dict[str, Any] | None = None,
    proxy: dict[str, Any] | None = None,
    *,
    kind: InputKind = "image",
    rows: int = 1000,
    classes: int = 10,
    one_class: bool = True,
) -> Training:
    specification = ProxySpec.model_validate({"name": "cnn"} | (proxy or {}))
    asked = PruningPlan(**{"keep_ratio": 0.5} | (plan or {}))
    resolved = ResolvedProxy(family_of(specification.name), Training.of(specification))
    check_feasibility(asked, resolved, kind=kind, rows=rows, classes=classes, one_class=one_class)
    return resolved.training


def refusal(error: type[TedError], **request: Any) -> TedError:
    with pytest.raises(error) as refused:
        checked(**request)
    return refused.value


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_left_open_takes_the_proxys_own_default(name: str) -> None:
    family = FAMILIES[name]
    training = checked(proxy={"name": name}, kind=max(family.takes))

    assert training.name == name
    assert (training.epochs, training.batch_size, training.augment) == (
        family.epochs,
        family.batch_size,
        family.augments,
    )
    assert (training.learning_rate, training.weight_decay) == (family.learning_rate, family.weight_decay)


def test_what_is_given_stays_even_where_it_is_zero_or_false() -> None:
    given = {"epochs": 7, "batch_size": 16, "learning_rate": 0.5, "weight_decay": 0.0, "augment": False}

    training = checked(proxy=given)

    others = {"model": None, "train_blocks": None, "precision": "float32"}
    assert training.model_dump(exclude={"name"}) == given | others


def test_an_unknown_proxy_is_refused_with_the_names_of_those_installed() -> None:
    error = refusal(UnknownProxy, proxy={"name": "vit"})

    assert error.field == "proxy.name"
    assert "mlp, cnn, resnet18" in error.fact


@pytest.mark.parametrize("name", ["cnn", "resnet9", "resnet18"])
def test_convolutions_are_refused_for_tables(name: str) -> None:
    assert refusal(ProxyMismatch, proxy={"name": name}, kind="vector").field == "proxy.name"


@pytest.mark.parametrize("kind", ["image", "vector"])
def test_a_perceptron_takes_images_and_tables(kind: InputKind) -> None:
    assert checked(proxy={"name": "mlp"}, kind=kind).name == "mlp"


@pytest.mark.parametrize(("name", "kind"), [("mlp", "text"), ("encoder", "dialogue"), ("lora", "text")])
def test_texts_are_refused_by_what_cannot_read_them(name: str, kind: InputKind) -> None:
    error = refusal(ProxyMismatch, proxy={"name": name}, kind=kind)

    assert error.field == "proxy.name"
    assert f"not {kind}s" in error.fact


def test_a_pretrained_model_is_refused_for_a_proxy_that_starts_from_nothing() -> None:
    with pytest.raises(ProxyMismatch) as refused:
        resolve_proxy(ProxySpec(name="cnn", model="minilm"))

    assert refused.value.field == "proxy.model"


@pytest.mark.parametrize(("name", "field"), [("encoder", "proxy.name"), ("frozen-encoder", "proxy.model")])
def test_a_proxy_that_cannot_see_images_is_refused_before_its_model_is_looked_for(
    name: str, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(model_files.PACKAGED, "minilm", ("no_such_package", "model/config.json"))

    with pytest.raises(ProxyMismatch) as refused:
        resolve_proxy(ProxySpec(name=name), kind="image")

    assert refused.value.field == field


@pytest.mark.parametrize("method", ["el2n", "grand", "forgetting", "ccs", "dual"])
def test_methods_for_one_class_per_sample_are_refused_where_there_are_several_or_none(method: str) -> None:
    several = refusal(MethodUnsuited, plan={"method": method}, one_class=False)
    none = refusal(MethodUnsuited, plan={"method": method}, proxy={"name": "lora"}, kind="dialogue")

    assert several.field == none.field == "plan.method"
    assert checked(plan={"method": "random"}, proxy={"name": "lora"}, kind="dialogue").name == "lora"


def test_gradients_by_sample_are_refused_for_pretrained_layers() -> None:
    tuned = {"proxy": {"name": "encoder"}, "kind": "text"}

    assert refusal(MethodUnsuited, plan={"score": "parameter"}, **tuned).field == "plan.score"
    assert refusal(MethodUnsuited, plan={"method": "grand"}, **tuned).field == "plan.method"
    assert checked(plan={"score": "parameter"}, proxy={"name": "frozen-encoder"}, kind="text").name == "frozen-encoder"


@pytest.mark.parametrize("q", [0, 2.0, "auto"])
def test_an_exponent_is_refused_for_the_score_that_has_none(q: object) -> None:
    error = refusal(SettingUnsuited, plan={"score": "margin", "q": q})

    assert error.field == "plan.q"
    assert "no exponent" in error.fact
    assert "leave it out" in str(error)
    assert checked(plan={"score": "probability", "q": q}).name == "cnn"


def test_dialogues_need_no_classes() -> None:
    assert checked(proxy={"name": "lora"}, kind="dialogue", classes=0).epochs == 3


def test_a_single_class_is_refused() -> None:
    assert refusal(SingleClass, classes=1).field == "dataset.target"


@pytest.mark.parametrize(("rows", "classes"), [(198, 100), (14, 2)])
def test_fewer_rows_than_classes_or_than_eight_are_refused(rows: int, classes: int) -> None:
    assert refusal(TooFewRowsKept, rows=rows, classes=classes).field == "plan.keep_ratio"


@pytest.mark.parametrize(("rows", "classes"), [(200, 100), (16, 2)])
def test_as_many_rows_as_classes_and_eight_are_enough(rows: int, classes: int) -> None:
    assert checked(rows=rows, classes=classes).name == "cnn"


def test_a_class_floor_above_the_keep_ratio_is_refused() -> None:
    error = refusal(TooFewRowsKept, plan={"keep_ratio": 0.5, "class_floor": 0.6})

    assert error.field == "plan.class_floor"
    assert checked(plan={"keep_ratio": 0.5, "class_floor": 0.5}).name == "cnn"


def test_more_rounds_than_epochs_are_refused() -> None:
    assert refusal(TooFewRounds, plan={"rounds": 6}, proxy={"epochs": 5}).field == "plan.rounds"
    assert checked(plan={"rounds": 5}, proxy={"epochs": 5}).epochs == 5


def test_every_refusal_says_what_to_do_about_it() -> None:
    error = refusal(TooFewRounds, plan={"rounds": 6}, proxy={"epochs": 5})

    assert "6 rounds" in str(error)
    assert "raise proxy.epochs" in str(error)
    assert error.code() == "too_few_rounds"


@pytest.mark.parametrize("method", ["forgetting", "ccs", "dual"])
def test_methods_that_watch_a_run_need_three_epochs(method: str) -> None:
    assert refusal(TooFewRounds, plan={"method": method}, proxy={"epochs": 2}).field == "proxy.epochs"
    assert checked(plan={"method": method}, proxy={"epochs": 3}).epochs == 3


def test_a_frozen_encoder_of_images_must_be_named() -> None:
    assert refusal(ProxyMismatch, proxy={"name": "frozen-encoder"}).field == "proxy.model"


def test_the_default_model_of_a_family_that_reads_no_texts_may_see_images() -> None:
    family = replace(FAMILIES["frozen-encoder"], takes=frozenset({"image"}), model="a-vision-model")
    proxy = ResolvedProxy(family, Training.of(ProxySpec(name="frozen-encoder", model="a-vision-model")))

    check_feasibility(PruningPlan(keep_ratio=0.5), proxy, kind="image", rows=1000)


def test_conversations_have_no_classes_whose_balance_could_be_kept() -> None:
    error = refusal(SettingUnsuited, plan={"class_balance": "keep"}, proxy={"name": "lora"}, kind="dialogue")

    assert error.field == "plan.class_balance"


@pytest.mark.parametrize("one_class", [True, False])
def test_the_balance_of_any_classes_can_be_kept(one_class: bool) -> None:
    assert checked(plan={"class_balance": "keep"}, one_class=one_class)


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        ({"plan": {"method": "el2n"}}, "method el2n"),
        ({"plan": {"score": "parameter"}}, "score parameter"),
        ({"kind": "text", "proxy": {"name": "encoder"}}, "inputs of kind text"),
        ({"kind": "dialogue", "proxy": {"name": "lora"}}, "inputs of kind dialogue"),
    ],
)
def test_rows_are_divided_among_ranks_only_where_none_needs_those_of_another(
    request_: dict[str, Any], named: str
) -> None:
    checked(**request_)

    refused = refusal(SettingUnsuited, **request_ | {"plan": request_.get("plan", {}) | {"sampling": "sharded"}})

    assert refused.field == "plan.sampling"
    assert named in refused.fact


@pytest.mark.parametrize(
    ("dataset", "found", "error"),
    [
        ({}, {"file_format": "csv"}, SettingUnsuited),
        ({"missing": "impute"}, {}, SettingUnsuited),
        ({}, {"files": 1}, TooFewShards),
    ],
)
def test_files_are_divided_among_ranks_only_if_each_can_be_read_apart(
    dataset: dict[str, Any], found: dict[str, Any], error: type[TedError]
) -> None:
    spec = DatasetSpec.model_validate({"uri": "/data", "task": "tabular-classification"} | dataset)
    facts: Any = {"file_format": "parquet", "files": 2} | found
    check_shards(PruningPlan(keep_ratio=0.5), spec, **facts)

    with pytest.raises(error) as refused:
        check_shards(PruningPlan(keep_ratio=0.5, sampling="sharded"), spec, **facts)

    assert refused.value.field == "plan.sampling"
