"""Texts → vectors: TF-IDF of words and pairs of words, reduced to 256 directions; fitted on the training texts only."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from benchmarks.storage import durably

DIRECTIONS = 256
Labelled = tuple[Sequence[str], Sequence[str]]
"""Texts and their classes."""
Features = dict[str, Any]
"""Arrays ``x``, ``y``, ``x_test``, ``y_test`` and ``classes``, which the labels index."""


def ag_news(data: Path, kept: Path) -> Features:
    """10,001 and 7,600 news in four topics; the test's headlines are left out, as the training texts have none."""
    folder = data / "ag_news"
    names = (folder / "official_classes.txt").read_text().split()
    with (folder / "official_test.csv").open(newline="") as file:
        test = [(text, names[int(number) - 1]) for number, _, text in csv.reader(file)]
    return features(_tab_separated(folder / "alps_dev.tsv"), _columns(test), kept / "ag_news.npz")


def sst2(data: Path, kept: Path) -> Features:
    """60,614 phrases and 872 sentences of film reviews, praise or not."""
    train, test = (_tab_separated(data / "sst2" / f"{part}.tsv", header=1) for part in ("train", "test"))
    return features(train, test, kept / "sst2.npz")


def _tab_separated(path: Path, *, header: int = 0) -> Labelled:
    lines = path.read_text().split("\n")[header:]
    return _columns([(text, label) for text, _, label in (line.rpartition("\t") for line in lines if line)])


def _columns(rows: Sequence[tuple[str, str]]) -> Labelled:
    return [text for text, _ in rows], [label for _, label in rows]


def features(train: Labelled, test: Labelled, path: Path) -> Features:
    """The vectors, read from ``path`` where an earlier run has left them there."""
    if not path.exists():
        with durably(path) as unfinished:
            np.savez(unfinished, **_vectors(train, test))
    with np.load(path) as arrays:
        return dict(arrays)


def _vectors(train: Labelled, test: Labelled) -> Features:
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    directions = TruncatedSVD(DIRECTIONS, random_state=0)
    classes, labels = np.unique(train[1], return_inverse=True)
    return {
        "x": directions.fit_transform(words.fit_transform(train[0])).astype(np.float32),
        "y": labels,
        "x_test": directions.transform(words.transform(test[0])).astype(np.float32),
        "y_test": np.searchsorted(classes, test[1]),
        "classes": classes,
    }
