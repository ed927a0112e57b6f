"""Before any gradient: which parameters have a closed form, and how many rows fit into memory at a time."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from ted_core.training.gradients.layers import GRAD_SAMPLERS, by_layer
from ted_core.training.gradients.preconditioners import Metric
from ted_core.training.gradients.tracing import LayerCall, Trace, trace

MICROBATCH_BYTES = 512 * 2**20
"""What a microbatch may hold: activations, output gradients of every layer, and what the largest makes of them."""


@dataclass(frozen=True)
class GradientPlan:
    """How the per-sample gradients of one model are computed."""

    layers: Mapping[str, nn.Module]
    """Those with a closed form for everything that is trained in them."""
    other_parameters: Mapping[str, nn.Parameter]
    """Trained parameters without one; their gradients are computed sample by sample and written out."""
    microbatch_rows: int
    """How many rows to take at a time."""


def plan_gradients(model: nn.Module, inputs: Tensor, metric: Metric) -> GradientPlan:
    """Plan from a pass over the first row, and another over the same row twice.

    Two passes tell what grows with the number of rows. A layer has a closed form if the first axis of its inputs and
    outputs does, and if its calls are the only uses of its parameters: a weight that two layers share, or that is read
    without calling its layer, has none. Neither does a position embedding of positions that all rows share.
    """
    candidates = {
        name: module for name, module in model.named_modules() if type(module) in GRAD_SAMPLERS and _trained(module)
    }
    one_row, two_rows = (trace(model, inputs[[0] * rows], candidates) for rows in (1, 2))
    layers = {name: module for name, module in candidates.items() if _is_closed(name, module, one_row, two_rows)}
    covered = {id(parameter) for module in layers.values() for parameter in _trained(module)}
    others = {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and id(parameter) not in covered
    }
    calls = [call for call in two_rows.calls if call.layer in layers]
    per_row = (
        two_rows.saved_bytes - one_row.saved_bytes + _bytes_beyond_saved(calls, metric) + _bytes_written_out(others)
    )
    return GradientPlan(layers, others, max(1, MICROBATCH_BYTES // max(1, per_row)))


def _trained(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters(recurse=False) if parameter.requires_grad]


def _is_closed(name: str, module: nn.Module, one_row: Trace, two_rows: Trace) -> bool:
    calls, again = ([call for call in trace.calls if call.layer == name] for trace in (one_row, two_rows))
    grows = [_rows(call) for call in calls] == [{1}] * len(calls) and [_rows(call) for call in again] == [{2}] * len(
        calls
    )
    reached = sum(call.output_edge.node in two_rows.reached for call in again)
    return bool(calls) and grows and all(two_rows.uses[id(parameter)] == reached for parameter in _trained(module))


def _rows(call: LayerCall) -> set[int]:
    """The first axis of the inputs and of the output."""
    return {*call.activations.shape[:1], *call.output_zeros.shape[:1]}


def _bytes_beyond_saved(calls: list[LayerCall], metric: Metric) -> int:
    """For a row: the output gradients of every layer, and what the largest layer makes of its own."""
    output_grads = sum(call.output_zeros[0].nbytes for call in calls)
    forms = by_layer((call, call.output_zeros) for call in calls)
    working = [form.floats_per_sample(metric(layer)) for layer, form in forms]
    return output_grads + max(working, default=0) * max((call.output_zeros.itemsize for call in calls), default=0)


def _bytes_written_out(others: Mapping[str, nn.Parameter]) -> int:
    return sum(2 * parameter.nbytes for parameter in others.values())
