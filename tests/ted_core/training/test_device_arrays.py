"""Inputs that lie in a file are trained on as if they were in memory."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec
from ted_core.selection.prune import prune
from ted_core.selection.rounds import Round
from ted_core.storage import memmap
from ted_core.training.batches import ArrayBatches, Scaling
from ted_core.training.device_arrays import GatheredArray, ResidentArray, device_array
from ted_core.training.measuring import MEASURED_IMAGES, MEASURING_BATCH, MEASURING_BYTES, measuring_batch_size
from tests.ted_core import examples

CPU = torch.device("cpu")
VECTORS = examples.random_vectors(300, classes=3)
IMAGES = examples.random_images(120, channels=3, classes=3)


def in_a_file(samples: Samples, folder: Path) -> Samples:
    """The same samples, whose inputs are a read-only map."""
    array = memmap.create_memmap(folder / "inputs.npy", samples.inputs.shape, samples.inputs.dtype)
    array[:] = samples.inputs
    array.flush()
    return examples.samples(memmap.read_memmap(folder / "inputs.npy"), samples.labels)


def seen(samples: Samples, *, augment: bool) -> list[torch.Tensor]:
    table, rows = ArrayBatches(samples, scaling=Scaling.of(samples)), np.arange(len(samples))
    shuffled = table.shuffled(rows, 32, rng=np.random.default_rng(1), augment=augment)
    batches = [batch for step in shuffled for batch in step.batches]
    return [tensor for batch in (*batches, *table.in_order(rows)) for tensor in batch]


def last_round(samples: Samples, *, proxy: str, **plan: object) -> Round:
    wanted = PruningPlan.model_validate({"keep_ratio": 0.4, "rounds": 3, **plan})
    return list(prune(samples, wanted, proxy=ProxySpec(name=proxy, epochs=4, batch_size=32)))[-1]


def test_what_lies_in_a_file_is_gathered_and_what_is_in_memory_stays_there(tmp_path: Path) -> None:
    mapped, resident = device_array(in_a_file(VECTORS, tmp_path).inputs, CPU), device_array(VECTORS.inputs, CPU)

    assert isinstance(mapped, GatheredArray)
    assert isinstance(resident, ResidentArray)
    assert resident.inputs.data_ptr() == VECTORS.inputs.ctypes.data


@pytest.mark.parametrize("augment", [False, True])
def test_models_see_the_same_batches_bit_for_bit(tmp_path: Path, augment: bool) -> None:
    expected = seen(IMAGES, augment=augment)

    found = seen(in_a_file(IMAGES, tmp_path), augment=augment)

    assert len(found) == len(expected)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("samples", "proxy", "plan"),
    [
        pytest.param(VECTORS, "mlp", {}, id="vectors, q chosen"),
        pytest.param(VECTORS, "mlp", {"q": 1, "score": "parameter"}, id="vectors, by gradients"),
        pytest.param(VECTORS, "mlp", {"method": "dual"}, id="vectors, a rival"),
        pytest.param(IMAGES, "cnn", {"q": 1}, id="images"),
    ],
)
def test_the_same_rows_are_retained_bit_for_bit(
    tmp_path: Path, samples: Samples, proxy: str, plan: dict[str, object]
) -> None:
    expected = last_round(samples, proxy=proxy, **plan)

    found = last_round(in_a_file(samples, tmp_path), proxy=proxy, **plan)

    np.testing.assert_array_equal(found.retained, expected.retained)
    np.testing.assert_array_equal(found.score, expected.score)
    assert found.q == expected.q


def test_no_rows_make_no_batch_but_an_empty_one(tmp_path: Path) -> None:
    table = ArrayBatches(samples := in_a_file(VECTORS, tmp_path), scaling=Scaling.of(samples))

    assert [len(labels) for _, labels in table.in_order(np.zeros(0, np.int64))] == [0]


def test_large_inputs_are_measured_in_smaller_batches() -> None:
    assert measuring_batch_size((3, 32, 32)) == MEASURED_IMAGES
    assert measuring_batch_size((16,)) == MEASURING_BATCH
    assert measuring_batch_size((3, 224, 224)) == MEASURING_BYTES // (4 * 3 * 224 * 224)
    assert measuring_batch_size((3, 4096, 4096)) == 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("free", [1 << 40, 0])
def test_an_accelerator_holds_what_it_has_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _: (free, free))
    inputs = in_a_file(IMAGES, tmp_path).inputs

    found = device_array(inputs, torch.device("cuda"))

    assert isinstance(found, ResidentArray if free else GatheredArray)
    for batch, rows in found.parts(np.arange(len(inputs))[::-1].copy(), 7):
        assert batch.is_cuda
        assert rows.is_cuda
        np.testing.assert_array_equal(batch.cpu(), inputs[rows.cpu()])
