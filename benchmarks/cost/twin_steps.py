"""``python -m benchmarks.cost.twin_steps [--device cuda]``: how long a step of two twins takes, in several ways.

One after the other is how ``ted_core.selection.twins`` does it. The others take a batch of each twin at a time: with
one optimizer for the parameters of both, with both models in one vectorized pass (``torch.func.stack_module_state`` and
``vmap``), or, for the perceptron, with batched matrix products. All ways do the same work on the same generated inputs,
and take turns, so that a machine that slows down affects all of them.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from rich.console import Console
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from benchmarks.harness.markdown import table
from ted_core.proxies.networks import cnn, mlp

TWINS, TURNS = 2, 7
MICROSECONDS = 1e6
Build = Callable[[tuple[int, ...], int], nn.Module]
Step = Callable[[Tensor, Tensor], None]
"""(both twins' inputs, both twins' labels), each with a first axis of twins → nothing, but one step is taken."""


@dataclass(frozen=True)
class Case:
    """A proxy on inputs of one shape."""

    name: str
    build: Build
    shape: tuple[int, ...]
    classes: int
    batch: int = 128
    steps: int = 40
    """That are timed together."""


CASES = (
    Case("mlp, 16 features", mlp, (16,), 26),
    Case("mlp, 108 features", mlp, (108,), 2),
    Case("mlp, 784 features", mlp, (784,), 10),
    Case("mlp, 784 features, batches of 32", mlp, (784,), 10, batch=32),
    Case("cnn, 3 x 32 x 32", cnn, (3, 32, 32), 10, steps=3),
)


def twins_of(case: Case, device: str) -> list[nn.Module]:
    """Build both models."""
    return [case.build(case.shape, case.classes).to(device) for _ in range(TWINS)]


def optimizer_of(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Return the optimizer that trainers use."""
    return torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01, fused=True)


def apart(case: Case, device: str) -> Step:
    """Each twin with an optimizer of its own."""
    models = twins_of(case, device)
    optimizers = [optimizer_of(list(model.parameters())) for model in models]

    def step(inputs: Tensor, labels: Tensor) -> None:
        for model, optimizer, x, y in zip(models, optimizers, inputs, labels, strict=True):
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()
            optimizer.step()

    return step


def one_optimizer(case: Case, device: str) -> Step:
    """The parameters of both in one optimizer."""
    models = twins_of(case, device)
    optimizer = optimizer_of([parameter for model in models for parameter in model.parameters()])

    def step(inputs: Tensor, labels: Tensor) -> None:
        optimizer.zero_grad()
        for model, x, y in zip(models, inputs, labels, strict=True):
            cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def vectorized(case: Case, device: str) -> Step:
    """Both models stacked, in one pass."""
    models = twins_of(case, device)
    stacked, buffers = stack_module_state(models)
    weights = {name: nn.Parameter(weight.detach()) for name, weight in stacked.items()}
    optimizer, model = optimizer_of(list(weights.values())), models[0]

    def loss(weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(functional_call(model, (weights, buffers), (x,)), y)

    losses = vmap(loss)

    def step(inputs: Tensor, labels: Tensor) -> None:
        optimizer.zero_grad()
        losses(weights, buffers, inputs, labels).sum().backward()
        optimizer.step()

    return step


def batched_products(case: Case, device: str) -> Step:
    """A perceptron's layers as batched matrix products."""
    stacked, _ = stack_module_state(twins_of(case, device))
    first, second = (nn.Parameter(w.detach().mT.contiguous()) for n, w in stacked.items() if n.endswith("weight"))
    biases = [nn.Parameter(b.detach()[:, None].contiguous()) for n, b in stacked.items() if n.endswith("bias")]
    optimizer = optimizer_of([first, second, *biases])

    def step(inputs: Tensor, labels: Tensor) -> None:
        optimizer.zero_grad()
        hidden = torch.baddbmm(biases[0], inputs.flatten(2), first).relu()
        logits = torch.baddbmm(biases[1], hidden, second)
        (cross_entropy(logits.flatten(0, 1), labels.flatten()) * TWINS).backward()
        optimizer.step()

    return step


WAYS: Mapping[str, Callable[[Case, str], Step]] = {
    "one after the other": apart,
    "one optimizer": one_optimizer,
    "vmap": vectorized,
    "batched products": batched_products,
}


def times(case: Case, device: str) -> dict[str, float]:
    """Return the microseconds of a step of both twins in every way: the least of the turns."""
    steps = {name: way(case, device) for name, way in WAYS.items() if way is not batched_products or case.build is mlp}
    batches = [_batch(case, device) for _ in range(case.steps)]
    turns = [{name: _time(step, batches, device) for name, step in steps.items()} for _ in range(1 + TURNS)]
    return {name: MICROSECONDS * min(turn[name] for turn in turns[1:]) / case.steps for name in steps}


def _batch(case: Case, device: str) -> tuple[Tensor, Tensor]:
    """Return inputs and labels; which they are makes no difference to the time."""
    labels = torch.randint(0, case.classes, (TWINS, case.batch), device=device)
    return torch.randn(TWINS, case.batch, *case.shape, device=device), labels


def _time(step: Step, batches: list[tuple[Tensor, Tensor]], device: str) -> float:
    began = time.perf_counter()
    for inputs, labels in batches:
        step(inputs, labels)
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def lines(device: str) -> Iterator[list[str]]:
    """Yield a line of the table for each case."""
    for case in CASES:
        taken = times(case, device)
        least = taken["one after the other"]
        yield [case.name, *(f"{taken[way]:.0f} ({taken[way] / least:.2f})" if way in taken else "-" for way in WAYS)]


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    device = options.parse_args().device
    torch.set_num_threads(1)
    Console().print(table(["microseconds of a step", *WAYS], list(lines(device))), markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
