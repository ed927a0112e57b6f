"""Training and test samples belong together, and noise is exactly what it says."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks.datasets import BENCHMARKS, at_most, digits, flip_labels, synthetic
from benchmarks.texts import features, tf_idf
from tests.ted_core import examples

SIZES = {
    "letter": (15_000, 5_000, (16,)),
    "adult": (32_561, 16_281, (108,)),
    "fashion_mnist": (60_000, 10_000, (1, 28, 28)),
}


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5])
def test_noise_flips_exactly_the_share_and_tells_which(share: float) -> None:
    clean, _ = digits(Path(), Path())

    dirty, flipped = flip_labels(clean, share, seed=3)

    assert flipped.sum() == round(share * len(clean))
    assert np.array_equal(dirty.labels != clean.labels, flipped)
    assert dirty.inputs is clean.inputs
    assert set(dirty.labels) <= set(range(10))


def test_every_other_class_is_as_likely() -> None:
    clean = examples.samples(np.zeros((30_000, 1), np.float32), np.arange(30_000) % 3)

    dirty, flipped = flip_labels(clean, 0.5, seed=0)

    moves = np.bincount((dirty.labels - clean.labels)[flipped] % 3, minlength=3)
    assert moves[0] == 0
    assert moves[1] == pytest.approx(7_500, abs=300)


def test_another_seed_flips_others_and_the_same_seed_the_same() -> None:
    clean, _ = digits(Path(), Path())

    masks = [flip_labels(clean, 0.2, seed=seed)[1] for seed in (0, 0, 1)]

    assert np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])


@pytest.mark.parametrize("read", [digits, synthetic])
def test_generated_data_are_the_same_every_time(read: object) -> None:
    first_split, second_split = (read(Path(), Path()) for _ in range(2))  # type: ignore[operator]

    for first, second in zip(first_split, second_split, strict=True):
        assert np.array_equal(first.inputs, second.inputs)
        assert np.array_equal(first.labels, second.labels)
    assert first_split[0].classes == first_split[1].classes


def test_a_subsample_keeps_inputs_and_labels_together() -> None:
    samples = examples.samples(np.arange(50, dtype=np.float32)[:, None], np.arange(50) % 5)

    some = at_most(samples, 20)

    assert len(some) == some.rows == 20
    assert np.array_equal(some.inputs[:, 0] % 5, some.labels)
    assert at_most(samples, None) is samples


def test_features_are_fitted_on_training_texts_and_kept(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(300)]
    train = ([f"{word} {following}" for word, following in pairwise(words)] * 2, ["a", "b"] * 299)
    path = tmp_path / "kept" / "texts.npz"

    arrays = features(train, (["word1 word2", "unseen"], ["b", "a"]), path, encode=tf_idf)

    assert arrays["x"].shape == (598, 256)
    assert arrays["y_test"].tolist() == [1, 0]
    assert np.abs(arrays["x_test"][0]).sum() > 0
    assert np.abs(arrays["x_test"][1]).sum() == 0
    assert np.array_equal(features(([], []), ([], []), path, encode=tf_idf)["x"], arrays["x"])


@pytest.mark.data
@pytest.mark.parametrize("name", list(SIZES))
def test_real_data_have_the_rows_that_their_makers_say(name: str, data_dir: Path, tmp_path: Path) -> None:
    train, test = BENCHMARKS[name].read(data_dir, tmp_path)

    assert (len(train), len(test), train.input_shape) == SIZES[name]
    assert train.classes == test.classes
    assert train.input_shape == test.input_shape
    assert set(np.unique(train.labels)) == set(range(len(train.classes)))
