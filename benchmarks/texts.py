"""Turn texts into vectors, in one of two ways.

Either TF-IDF of words and pairs of words, reduced to 256 directions and fitted on the training texts only, or the
vectors of the frozen encoder MiniLM, as in the proxy ``frozen-encoder``.
"""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from benchmarks.harness.storage import durably
from ted_core.datasets import Samples, Texts
from ted_core.proxies import ProxySpec, ResolvedProxy, resolve_proxy
from ted_core.training.features import prepare_samples

DIRECTIONS = 256
LabelledTexts = tuple[Sequence[str], Sequence[str]]
"""Texts and their classes."""
FeatureArrays = dict[str, Any]
"""Arrays ``x``, ``y``, ``x_test``, ``y_test`` and ``classes``, which the labels index."""


def ag_news(data: Path) -> tuple[LabelledTexts, LabelledTexts]:
    """Read 10,001 and 7,600 news items in four topics, without the test's headlines, as training texts have none."""
    folder = data / "ag_news"
    names = (folder / "official_classes.txt").read_text().split()
    with (folder / "official_test.csv").open(newline="") as file:
        test = [(text, names[int(number) - 1]) for number, _, text in csv.reader(file)]
    return _tab_separated(folder / "alps_dev.tsv"), _columns(test)


def sst2(data: Path) -> tuple[LabelledTexts, LabelledTexts]:
    """Read 60,614 phrases and 872 sentences of film reviews, positive or negative."""
    train, test = (_tab_separated(data / "sst2" / f"{part}.tsv", header=1) for part in ("train", "test"))
    return train, test


def _tab_separated(path: Path, *, header: int = 0) -> LabelledTexts:
    lines = path.read_text().split("\n")[header:]
    return _columns([(text, label) for text, _, label in (line.rpartition("\t") for line in lines if line)])


def _columns(rows: Sequence[tuple[str, str]]) -> LabelledTexts:
    return [text for text, _ in rows], [label for _, label in rows]


Encode = Callable[[Sequence[str], Sequence[str]], tuple[np.ndarray, np.ndarray]]
"""(training texts, test texts) → their vectors."""


def features(train: LabelledTexts, test: LabelledTexts, path: Path, *, encode: Encode) -> FeatureArrays:
    """Compute the vectors, or read them from ``path`` if an earlier run left them there."""
    if not path.exists():
        with durably(path) as unfinished:
            np.savez(unfinished, **_vectors(train, test, encode))
    with np.load(path) as arrays:
        return dict(arrays)


def _vectors(train: LabelledTexts, test: LabelledTexts, encode: Encode) -> FeatureArrays:
    classes, labels = np.unique(train[1], return_inverse=True)
    x, x_test = encode(train[0], test[0])
    return {"x": x, "y": labels, "x_test": x_test, "y_test": np.searchsorted(classes, test[1]), "classes": classes}


def tf_idf(train: Sequence[str], test: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Weight words and pairs of words, and project them to 256 directions."""
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    directions = TruncatedSVD(DIRECTIONS, random_state=0)
    fitted = directions.fit_transform(words.fit_transform(train))
    return fitted.astype(np.float32), directions.transform(words.transform(test)).astype(np.float32)


def minilm(train: Sequence[str], test: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of MiniLM's last layer, 384 numbers."""
    proxy = resolve_proxy(ProxySpec(name="frozen-encoder", model="minilm"))
    return _encode(train, proxy), _encode(test, proxy)


def _encode(texts: Sequence[str], proxy: ResolvedProxy) -> np.ndarray:
    rows = np.arange(len(texts), dtype=np.uint64)
    inputs = Texts((pa.chunked_array([pa.array(texts, pa.string())]),))
    samples = Samples(inputs, np.zeros(len(rows), np.int64), ("any", "other"), rows, rows=len(rows))
    return np.asarray(prepare_samples(samples, proxy).inputs)
