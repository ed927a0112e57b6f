"""What ranks tell each other arrives as it was, and one that ends is missed."""

import numpy as np
import pytest
import torch
from torch import nn

from ted_core.distributed.checkpoints import offer_together
from ted_core.distributed.counting import WorldCounter
from ted_core.distributed.errors import RankLost
from ted_core.distributed.synchronized_norm import synchronize_batch_norms
from ted_core.distributed.world import ALONE, ConnectedWorld
from tests.ted_core.distributed.ranks import on_ranks

UNUSUAL = np.array([-0.0, np.nan, np.inf, 1e-45, -1.5, 0.1], np.float32)


@pytest.mark.parametrize(("size", "expected"), [(2, [[0], [1]]), (4, [[0], [0], [1], [1]])])
def test_each_half_of_the_ranks_trains_one_twin(size: int, expected: list[list[int]]) -> None:
    trained = on_ranks(size, lambda world: [twin for twin in range(2) if world.trains(twin)])

    assert trained == expected
    speakers = on_ranks(size, lambda world: [twin for twin in range(2) if world.speaks_for(twin)])
    assert [twins for twins in speakers if twins] == [[0], [1]]


def test_a_union_is_exact_to_the_bit() -> None:
    def work(world: ConnectedWorld) -> bytes:
        own = np.arange(len(UNUSUAL)) % 2 == world.rank
        return world.union(np.where(own, UNUSUAL, np.float32(0))).tobytes()

    assert on_ranks(2, work) == [UNUSUAL.tobytes()] * 2


def test_all_get_what_the_first_rank_has_and_it_what_all_have() -> None:
    def work(world: ConnectedWorld) -> tuple[str, list[int]]:
        return world.broadcast(f"of {world.rank}"), world.gather(world.rank * 10)

    assert on_ranks(2, work) == [("of 0", [0, 10]), ("of 0", [10])]


def test_a_rank_that_has_ended_is_missed_at_once() -> None:
    def work(world: ConnectedWorld) -> str:
        if world.rank == 1:
            return "gone"
        with pytest.raises(RankLost):
            world.broadcast(world.gather(0))
        return "missed it"

    assert on_ranks(2, work) == ["missed it", "gone"]


def test_rows_are_counted_exactly_in_the_end_and_roughly_before() -> None:
    def work(world: ConnectedWorld) -> tuple[list[int], list[int]]:
        reported: list[int] = []
        counter = WorldCounter(world, 2, reported.append)
        counter.of(world.rank)(10 + world.rank)
        return reported.copy(), [*counter.finish().tolist(), sum(reported)]

    assert on_ranks(2, work) == [([20], [10, 11, 21]), ([22], [10, 11, 21])]


def test_alone_rows_are_counted_as_they_come() -> None:
    reported: list[int] = []
    counter = WorldCounter(ALONE, 2, reported.append)

    counter.of(0)(5)
    counter.of(1)(6)

    assert (counter.finish().tolist(), reported) == ([5, 6], [5, 6])


@pytest.mark.parametrize("is_due", [True, False])
def test_all_contribute_to_a_checkpoint_that_is_due_and_none_to_another(is_due: bool) -> None:
    def work(world: ConnectedWorld) -> tuple[int, int]:
        called, written = [], []

        def state() -> dict[str, torch.Tensor]:
            called.append(1)
            return {"sum": torch.tensor(sum(world.gather(world.rank + 1)))}

        def offer(contribute: object) -> None:
            if is_due:
                written.append(int(contribute()["sum"]))  # type: ignore[operator]

        offer_together(world, offer, state)
        return len(called), sum(written)

    assert on_ranks(2, work) == ([(1, 3), (1, 0)] if is_due else [(0, 0), (0, 0)])


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.BatchNorm1d(3), (10, 3)),
        (nn.BatchNorm2d(3), (10, 3, 4, 2)),
        (nn.BatchNorm2d(3, momentum=None), (10, 3, 2, 2)),
    ],
    ids=str,
)
def test_a_shared_batch_is_normalized_as_if_one_rank_had_it(layer: nn.Module, shape: tuple[int, ...]) -> None:
    inputs = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 3 + 1
    weights = torch.randn(shape, generator=torch.Generator().manual_seed(1))

    def trained(layer: nn.Module, rows: slice) -> list[np.ndarray]:
        own = inputs[rows].clone().requires_grad_()
        for _ in range(2):
            outputs = layer.train()(own)
        (outputs * weights[rows]).sum().backward()
        kept = [layer.running_mean, layer.running_var, layer.eval()(own).detach()[:1]]
        return [value.detach().numpy() for value in (outputs, own.grad, layer.weight.grad, *kept)]  # type: ignore[union-attr]

    def work(world: ConnectedWorld) -> list[np.ndarray]:
        synchronize_batch_norms(layer, world.everyone)
        return trained(layer, slice(world.rank, None, 2))

    first, second = on_ranks(2, work)
    outputs, grad, weight_grad, mean, var, _ = trained(layer, slice(None))

    np.testing.assert_allclose(np.stack([first[0], second[0]], 1).reshape(shape), outputs, atol=1e-5)
    np.testing.assert_allclose(np.stack([first[1], second[1]], 1).reshape(shape), grad, atol=1e-5)
    np.testing.assert_allclose(first[2] + second[2], weight_grad, rtol=1e-4)
    for found in (first, second):
        np.testing.assert_allclose(found[3], mean, rtol=1e-5)
        np.testing.assert_allclose(found[4], var, rtol=1e-5)
