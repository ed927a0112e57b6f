"""The whole loop on texts: it runs with either proxy, on pairs and on several labels, and the seed decides all."""

from pathlib import Path

import numpy as np
import pytest

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec
from ted_core.selection.prune import prune
from ted_core.selection.rounds import Round
from tests.ted_core.proxies.pretrained import reviews

DATA = {
    "texts": reviews.reviews(60),
    "pairs": reviews.pairs(60),
    "several labels": reviews.several_labels(60),
}


def last_round(samples: Samples, folder: Path, proxy: str, *, seed: int = 0, method: str = "ted") -> Round:
    plan = PruningPlan.model_validate({"keep_ratio": 0.5, "seed": seed, "method": method})
    spec = ProxySpec(name=proxy, model=str(folder), epochs=3, batch_size=8, learning_rate=1e-3)
    return list(prune(samples, plan, proxy=spec))[-1]


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("proxy", ["frozen-encoder", "encoder"])
def test_the_same_seed_retains_the_same_rows(encoder_folder: Path, proxy: str, data: str) -> None:
    first, again = (last_round(DATA[data], encoder_folder, proxy) for _ in range(2))

    assert first.retained.sum() == 30
    assert first.retained.tolist() == again.retained.tolist()
    assert first.train_loss == again.train_loss
    assert np.array_equal(first.internal_generalization, again.internal_generalization)


def test_another_seed_retains_other_rows(encoder_folder: Path) -> None:
    first, other = (last_round(DATA["texts"], encoder_folder, "encoder", seed=seed) for seed in (0, 1))

    assert first.retained.tolist() != other.retained.tolist()


@pytest.mark.parametrize("proxy", ["frozen-encoder", "encoder"])
def test_what_is_found_in_a_cache_retains_the_same_rows(encoder_folder: Path, tmp_path: Path, proxy: str) -> None:
    cached = reviews.reviews(60, cache=tmp_path)

    fresh, filling, filled = (last_round(data, encoder_folder, proxy) for data in (DATA["texts"], cached, cached))

    assert any(tmp_path.iterdir())
    assert fresh.retained.tolist() == filling.retained.tolist() == filled.retained.tolist()


@pytest.mark.parametrize("method", ["el2n", "forgetting", "dual", "ccs"])
def test_rivals_observe_an_encoder_too(encoder_folder: Path, method: str) -> None:
    assert last_round(DATA["texts"], encoder_folder, "encoder", method=method).retained.sum() == 30
