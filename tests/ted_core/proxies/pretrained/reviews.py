"""Small data sets of texts in memory."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from ted_core.datasets import Samples
from ted_core.datasets.samples import Texts
from tests.ted_core.proxies.pretrained.models import WORDS

GOOD, BAD = ("good", "fine", "great"), ("bad", "dull", "poor")


def samples(
    *parts: list[str], labels: list[int] | np.ndarray | None = None, cache: Path | None = None, classes: int = 2
) -> Samples:
    """These texts, or pairs of texts, as the only rows of a dataset; of class 0 unless told otherwise."""
    count = len(parts[0])
    given = np.zeros(count, np.int64) if labels is None else np.asarray(labels)
    columns = tuple(pa.chunked_array([part], pa.string()) for part in parts)
    rows = np.arange(count, dtype=np.uint64)
    names = tuple(str(number) for number in range(classes))
    return Samples(Texts(columns), given, names, rows, rows=count, cache=cache)


def random_texts(rows: int, *, longest: int = 12, seed: int = 0) -> list[str]:
    """Words in no order, at least one a text."""
    chance = np.random.default_rng(seed)
    return [" ".join(chance.choice(WORDS, chance.integers(1, longest + 1))) for _ in range(rows)]


def reviews(rows: int, *, seed: int = 0, cache: Path | None = None) -> Samples:
    """Texts with one word that says whether the film was good (class 1) among others that say nothing."""
    chance = np.random.default_rng(seed)
    labels = chance.permutation(np.arange(rows) % 2)
    return samples([_review(int(label), chance) for label in labels], labels=labels, cache=cache)


def pairs(rows: int, *, seed: int = 0) -> Samples:
    """Two reviews each, and whether they agree."""
    first, second = reviews(rows, seed=seed), reviews(rows, seed=seed + 1)
    columns = [part.to_pylist() for one in (first, second) for part in _texts(one).parts]
    return samples(*columns, labels=(first.labels == second.labels).astype(np.int64))


def several_labels(rows: int, *, seed: int = 0) -> Samples:
    """Reviews with three classes, of which any may be true: good, has a plot, has a cast."""
    one = reviews(rows, seed=seed)
    texts = _texts(one).parts[0].to_pylist()
    labels = [[label, "plot" in text, "cast" in text] for label, text in zip(one.labels, texts, strict=True)]
    return samples(texts, labels=np.array(labels, np.float32), classes=3)


def _texts(samples: Samples) -> Texts:
    assert isinstance(samples.inputs, Texts)
    return samples.inputs


def _review(label: int, chance: np.random.Generator) -> str:
    neutral = [word for word in WORDS if word not in (*GOOD, *BAD)]
    words = [*chance.choice(neutral, chance.integers(1, 9)), chance.choice((BAD, GOOD)[label])]
    return " ".join(chance.permutation(words))
