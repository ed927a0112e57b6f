"""What a proxy calculates in: float32 unless told otherwise, and what cannot be honoured is refused."""

import numpy as np
import pytest
import torch

from ted_core.errors import PrecisionMissing, SettingUnsuited
from ted_core.plan import PruningPlan
from ted_core.proxies import FAMILIES, ProxySpec, ResolvedProxy, Training, resolve_proxy
from ted_core.proxies.build import weights_digest
from ted_core.proxies.precision import multiplies_bfloat16
from ted_core.selection.feasibility import check_feasibility
from ted_core.training.trainer import fit
from tests.ted_core import examples

IMAGES = examples.random_images(48, channels=3, side=12, classes=3)
has_bfloat16 = pytest.mark.skipif(
    not multiplies_bfloat16(torch.device("cpu")), reason="this processor has no instructions for bfloat16"
)


def proxy(name: str = "resnet9", **choices: object) -> ResolvedProxy:
    return resolve_proxy(ProxySpec.model_validate({"name": name, "epochs": 2, "batch_size": 16} | choices))


def test_proxies_that_start_from_nothing_calculate_in_float32_and_pretrained_ones_as_the_device_does() -> None:
    chosen = {name: Training.of(ProxySpec(name=name)).precision for name in FAMILIES}

    float32 = dict.fromkeys(("mlp", "cnn", "resnet18", "resnet9", "frozen-encoder"), "float32")
    assert chosen == float32 | {"encoder": None, "lora": None}


@has_bfloat16
def test_bfloat16_learns_nearly_the_same_and_always_the_same() -> None:
    rows = np.arange(len(IMAGES))

    exact, rounded, again = (
        fit(IMAGES, rows, proxy=proxy(precision=precision), seed=0) for precision in ("float32", "bfloat16", "bfloat16")
    )

    first, second, third = (one.trainer.performance(one.table, rows) for one in (exact, rounded, again))
    assert not np.array_equal(first, second)
    assert np.abs(first - second).mean() < 0.1
    np.testing.assert_array_equal(second, third)
    assert weights_digest(rounded.trainer.model) == weights_digest(again.trainer.model)
    assert {weight.dtype for weight in rounded.trainer.model.parameters()} == {torch.float32}


def test_bfloat16_is_refused_on_a_device_that_would_have_to_emulate_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ted_core.proxies.precision.multiplies_bfloat16", lambda _: False)

    with pytest.raises(PrecisionMissing, match="cpu has no instructions for bfloat16") as refusal:
        fit(IMAGES, np.arange(8), proxy=proxy(precision="bfloat16"), seed=0)

    assert refusal.value.field == "proxy.precision"
    assert fit(IMAGES, np.arange(8), proxy=proxy("cnn"), seed=0)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_fine_tuned_model_cannot_be_told_what_to_calculate_in(precision: str) -> None:
    spec = ProxySpec.model_validate({"name": "encoder", "precision": precision})
    told = ResolvedProxy(FAMILIES["encoder"], Training.of(spec))

    with pytest.raises(SettingUnsuited, match="encoder calculates in what the device is fastest in") as refusal:
        check_feasibility(PruningPlan(keep_ratio=0.5), told, kind="text", rows=100)

    assert refusal.value.field == "proxy.precision"
