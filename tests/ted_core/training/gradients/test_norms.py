"""How long each sample's gradient is: closed forms against one backward pass for every sample."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ted_core.proxies.build import weights_digest
from ted_core.training.gradients import LayerNotSupported, gradient_norms, plan, preconditioners, tracing
from tests.reference import gradients as reference
from tests.ted_core.training.gradients.gradient_models import (
    CLASSES,
    MODELS,
    VOCABULARY,
    Bare,
    Case,
    Readout,
    built,
    case,
    single,
)

SMALL, SEEDS, FLAG = st.integers(1, 6), st.integers(0, 99), st.booleans()
quick = settings(deadline=None, max_examples=20)


def assert_norms_are_right(given: Case) -> None:
    expected = reference.norms(given.model, given.inputs, given.labels)

    measured = gradient_norms(given.model, given.inputs, given.labels)

    np.testing.assert_allclose(measured.numpy(), expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_the_norms_of_whole_models_are_those_of_one_backward_pass_for_each_sample(name: str) -> None:
    assert_norms_are_right(built(name))


ATTENTION = {
    f"layer.self_attn.{name}" for name in ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
}
WRITTEN_OUT: dict[str, set[str]] = {
    "transformer with shared positions": {"positions.weight"},
    "torch's encoder layer": ATTENTION,
    "tied weights": {"first.weight", "last.bias"},
    "parameters outside layers": {"scale", "linear.weight", "linear.bias", "idle.weight", "idle.bias"},
}


@pytest.mark.parametrize("name", MODELS)
def test_only_what_no_layer_holds_alone_is_differentiated_sample_by_sample(name: str) -> None:
    given = built(name)

    with tracing.evaluation_mode(given.model):
        surveyed = plan.plan_gradients(given.model, given.inputs, preconditioners.euclidean)

    assert surveyed.other_parameters.keys() == WRITTEN_OUT.get(name, set())


@given(SMALL, st.lists(st.integers(1, 5), max_size=2), SMALL, SMALL, FLAG, SEEDS)
@quick
def test_a_linear_layer_takes_any_number_of_token_axes(
    samples: int, tokens: list[int], inputs: int, outputs: int, bias: bool, seed: int
) -> None:
    torch.manual_seed(seed)

    assert_norms_are_right(single(nn.Linear(inputs, outputs, bias=bias), torch.randn(samples, *tokens, inputs)))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@given(st.data())
@quick
def test_a_convolution_may_have_any_shape(data: st.DataObject) -> None:
    draw, pair = data.draw, st.tuples(st.integers(1, 3), st.integers(1, 3))
    groups, kernel, dilation = (
        draw(st.integers(1, 2)),
        draw(pair),
        draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
    )
    padding = draw(st.sampled_from(["same", "valid"]) | st.tuples(st.integers(0, 2), st.integers(0, 2)))
    stride = (1, 1) if padding == "same" else draw(pair)
    mode = draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
    bias, channels, filters = draw(FLAG), groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 3))
    torch.manual_seed(draw(SEEDS))

    layer = nn.Conv2d(channels, filters, kernel, stride, padding, dilation, groups, bias, mode)

    assert_norms_are_right(single(layer, torch.randn(3, channels, draw(st.integers(5, 7)), draw(st.integers(5, 7)))))


@given(SMALL, st.lists(st.integers(1, 5), max_size=2), SMALL, st.none() | st.integers(0, VOCABULARY - 1), SEEDS)
@quick
def test_an_embedding_sums_over_the_places_where_a_token_stands(
    samples: int, tokens: list[int], width: int, padding: int | None, seed: int
) -> None:
    torch.manual_seed(seed)
    layer = nn.Embedding(VOCABULARY, width, padding_idx=padding)

    assert_norms_are_right(single(layer, torch.randint(VOCABULARY, (samples, *tokens))))


NORMALIZATIONS = {
    "layer, last axis": (lambda: nn.LayerNorm(4), (3, 5, 4)),
    "layer, no tokens": (lambda: nn.LayerNorm(4), (3, 4)),
    "layer, two axes": (lambda: nn.LayerNorm((5, 4)), (3, 2, 5, 4)),
    "layer, no bias": (lambda: nn.LayerNorm(4, bias=False), (3, 5, 4)),
    "batch, vectors": (lambda: nn.BatchNorm1d(4), (3, 4)),
    "batch, sequences": (lambda: nn.BatchNorm1d(4), (3, 4, 5)),
    "batch, images": (lambda: nn.BatchNorm2d(4, eps=0.1), (3, 4, 5, 2)),
    "batch, volumes": (lambda: nn.BatchNorm3d(4), (3, 4, 2, 2, 2)),
    "group, images": (lambda: nn.GroupNorm(2, 4, eps=0.1), (3, 4, 5, 2)),
    "group, vectors": (lambda: nn.GroupNorm(2, 4), (3, 4)),
}


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_a_normalization_scales_what_it_has_normalized(name: str) -> None:
    layer, shape = NORMALIZATIONS[name]
    torch.manual_seed(0)

    assert_norms_are_right(single(layer(), torch.randn(shape)))


@pytest.mark.parametrize("frozen", ["weight", "bias"])
@pytest.mark.parametrize(
    "layer", [nn.Linear(4, 4), nn.Conv2d(4, 4, 2), nn.BatchNorm2d(4)], ids=lambda x: type(x).__name__
)
def test_what_is_frozen_does_not_count(layer: nn.Module, frozen: str) -> None:
    given = single(layer, torch.randn(3, 4, 4, 4))

    given.model.get_parameter(f"0.{frozen}").requires_grad_(False)

    assert_norms_are_right(given)
    given.model.get_parameter(f"0.{frozen}").requires_grad_(True)


def test_where_nothing_is_trained_no_gradient_has_a_length() -> None:
    given = built("mlp")
    given.model.requires_grad_(False)

    assert gradient_norms(given.model, given.inputs, given.labels).tolist() == [0.0] * len(given.labels)


def test_no_rows_have_no_norms() -> None:
    given = built("mlp")

    assert gradient_norms(given.model, given.inputs[:0], given.labels[:0]).shape == (0,)


@pytest.mark.parametrize("name", ["cnn", "transformer", "torch's encoder layer"])
def test_measuring_leaves_the_model_as_it_was(name: str) -> None:
    given = built(name)
    given.model.train()
    next(given.model.children()).eval()
    before, modes = weights_digest(given.model), [module.training for module in given.model.modules()]

    gradient_norms(given.model, given.inputs, given.labels)

    assert weights_digest(given.model) == before
    assert [module.training for module in given.model.modules()] == modes
    assert all(parameter.grad is None for parameter in given.model.parameters())
    assert not any(module._forward_hooks for module in given.model.modules())
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize("name", ["cnn", "tied weights", "torch's encoder layer"])
def test_little_memory_means_more_passes_and_the_same_norms(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given, rows = built(name), []
    expected = gradient_norms(given.model, given.inputs, given.labels)

    monkeypatch.setattr(plan, "MICROBATCH_BYTES", 1)
    given.model.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    measured = gradient_norms(given.model, given.inputs, given.labels)

    np.testing.assert_allclose(measured.numpy(), expected.numpy(), rtol=1e-10)
    assert rows[:2] == [1, 2]
    assert set(rows[2:]) == {1}


def test_a_pass_takes_as_many_rows_as_its_activations_slopes_and_factors_fit_into(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows: list[int] = []
    given = case(nn.Sequential(nn.Linear(100, 50), nn.Tanh(), nn.Linear(50, CLASSES)), torch.randn(20, 100))
    activations, slopes, factors = 100 + 50, 50 + CLASSES, 2 * (101 + 50) + 2

    monkeypatch.setattr(plan, "MICROBATCH_BYTES", 8 * 7 * (activations + slopes + factors))
    given.model.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    gradient_norms(given.model, given.inputs, given.labels)

    assert rows[2:] == [7, 7, 6]


def test_a_hook_that_replaces_a_layers_output_is_part_of_the_model() -> None:
    given = built("mlp")

    given.model[1].register_forward_hook(lambda _module, _inputs, output: output.square())

    assert_norms_are_right(given)


def test_single_precision_agrees_with_double() -> None:
    given = built("cnn")
    expected = gradient_norms(given.model, given.inputs, given.labels)

    measured = gradient_norms(given.model.float(), given.inputs.float(), given.labels)

    assert measured.dtype == torch.float32
    np.testing.assert_allclose(measured.numpy(), expected.numpy(), rtol=1e-4)


def test_a_batch_normalization_that_mixes_samples_is_refused_by_name() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, track_running_stats=False), Readout())

    with pytest.raises(LayerNotSupported, match=r"1 keeps no running statistics.*replace the layer or freeze"):
        gradient_norms(model, torch.randn(3, 4), torch.zeros(3, dtype=torch.int64))


class Branching(nn.Module):
    """A scale that no layer holds, in a model that looks at numbers before it decides what to do with them."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(CLASSES))

    def forward(self, logits: Tensor) -> Tensor:
        return logits * self.scale if logits.sum() > 0 else logits


def test_a_parameter_that_cannot_be_told_apart_by_sample_is_refused_by_name() -> None:
    model = nn.Sequential(nn.Linear(4, CLASSES), Branching())

    with pytest.raises(LayerNotSupported, match=r"^1\.scale: .*freeze its parameters") as failure:
        gradient_norms(model, torch.randn(3, 4), torch.zeros(3, dtype=torch.int64))

    assert failure.value.code() == "layer_not_supported"


def test_memory_that_runs_out_is_no_fault_of_the_layer() -> None:
    model = Bare()
    calls = iter([False, False, True])  # two to survey, one for the gradients

    def exhaust(*_: object) -> None:
        if next(calls):
            raise torch.OutOfMemoryError

    model.register_forward_pre_hook(exhaust)

    with pytest.raises(torch.OutOfMemoryError):
        gradient_norms(model, torch.randn(2, 4), torch.zeros(2, dtype=torch.int64))
