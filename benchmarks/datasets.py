"""Training and test samples of real datasets by name, and how each is judged.

The data folder holds ``fashion_mnist`` (IDX), ``cifar10`` (Parquet), ``letter`` (KEEL), ``adult`` (UCI) and the texts
of ``ag_news`` and ``sst2``; ``digits`` comes with scikit-learn and ``synthetic`` is generated.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Bool
from sklearn.datasets import load_digits, make_classification

from benchmarks.random_streams import BenchmarkStream
from benchmarks.texts import Encode, LabelledTexts, ag_news, features, minilm, sst2, tf_idf
from ted_core.datasets import DatasetSpec, Limits, Samples, Texts, load
from ted_core.datasets.samples import Inputs
from ted_core.random_streams import stream_rng

Split = tuple[Samples, Samples]
"""Training and test samples with the same classes."""

DIGITS_TRAINING_ROWS, LETTER_TEST_ROWS = 1297, 5000
SYNTHETIC_ROWS, SYNTHETIC_TRAINING_ROWS = 15_000, 12_000
ADULT_NUMBERS = (0, 2, 4, 10, 11, 12)
ADULT_CATEGORIES = (1, 3, 5, 6, 7, 8, 9, 13)


@dataclass(frozen=True)
class Benchmark:
    """One dataset and how it is judged."""

    read: Callable[[Path, Path], Split]
    """(folder of real data, folder for what is worth keeping) → samples."""
    proxy: str = "mlp"
    margin: float = 0.003
    """How far below full data the whole interval may reach for pruning to count as lossless, as a share."""


def samples_of(inputs: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> Samples:
    """Return samples whose rows are all of these arrays."""
    rows = np.arange(len(labels), dtype=np.uint64)
    return Samples(np.asarray(inputs, np.float32), np.asarray(labels, np.int64), classes, rows, rows=len(rows))


def split(inputs: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], *, training: int) -> Split:
    """Split off the first rows for training; the others are for testing."""
    parts = (slice(training), slice(training, None))
    train, test = (samples_of(inputs[part], labels[part], classes) for part in parts)
    return train, test


def fashion_mnist(data: Path, _: Path) -> Split:
    """Read 60,000 and 10,000 grey images of clothes."""

    def part(name: str) -> Samples:
        files = {"input": f"{name}-images-idx3-ubyte.gz", "target": f"{name}-labels-idx1-ubyte.gz"}
        spec = {"uri": str(data / "fashion_mnist"), "format": "idx", "task": "image-classification", **files}
        return load(DatasetSpec.model_validate(spec), roots=[data])

    return part("train"), part("t10k")


def cifar10(data: Path, _: Path) -> Split:
    """Read 50,000 and 10,000 small colour photographs."""

    def part(name: str) -> Samples:
        spec = DatasetSpec(uri=str(data / "cifar10" / f"{name}.parquet"), task="image-classification")
        return load(spec, roots=[data], limits=Limits(threads=1))

    return part("train"), part("test")


def letter(data: Path, _: Path) -> Split:
    """Read 16 measurements of 20,000 printed capitals, the last 5,000 for testing."""
    lines = [line.strip().split(",") for line in _lines(data / "letter" / "letter.dat") if not line.startswith("@")]
    classes, labels = np.unique([line[-1].strip() for line in lines], return_inverse=True)
    inputs = np.array([line[:-1] for line in lines], np.float32)
    return split(inputs, labels, tuple(map(str, classes)), training=len(lines) - LETTER_TEST_ROWS)


def adult(data: Path, _: Path) -> Split:
    """Read 32,561 and 16,281 people: numbers as they are, and an indicator for each category in the training rows."""
    train, test = (_adult_rows(data / "adult" / f"adult.{part}") for part in ("data", "test"))
    categories = [np.unique(train[:, column]) for column in ADULT_CATEGORIES]

    def samples(rows: np.ndarray) -> Samples:
        numbers = rows[:, ADULT_NUMBERS].astype(np.float32)
        indicators = [rows[:, [column]] == values for column, values in zip(ADULT_CATEGORIES, categories, strict=True)]
        rich = np.char.startswith(rows[:, -1], ">50K")
        return samples_of(np.hstack([numbers, *indicators]), rich, ("<=50K", ">50K"))

    return samples(train), samples(test)


def _adult_rows(path: Path) -> np.ndarray:
    return np.array([[value.strip() for value in line.split(",")] for line in _lines(path)])


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if "," in line]


def digits(_: Path, __: Path) -> Split:
    """Read 1,297 and 500 handwritten digits as vectors of 64 pixels."""
    data = load_digits()
    order = stream_rng(0, BenchmarkStream.DIGITS_SPLIT).permutation(len(data.target))
    classes = tuple(str(digit) for digit in range(10))
    return split(data.data[order], data.target[order], classes, training=DIGITS_TRAINING_ROWS)


def synthetic(_: Path, __: Path) -> Split:
    """Generate 12,000 and 3,000 vectors: six classes of three clusters each."""
    inputs, labels = make_classification(
        SYNTHETIC_ROWS,
        40,
        n_informative=12,
        n_redundant=8,
        n_classes=6,
        n_clusters_per_class=3,
        flip_y=0,
        class_sep=1.4,
        random_state=1,
    )
    return split(inputs, labels, tuple("012345"), training=SYNTHETIC_TRAINING_ROWS)


def _of_texts(
    read: Callable[[Path], tuple[LabelledTexts, LabelledTexts]], name: str, encode: Encode, data: Path, kept: Path
) -> Split:
    arrays = features(*read(data), kept / f"{name}.npz", encode=encode)
    classes = tuple(map(str, arrays["classes"]))
    train, test = (samples_of(arrays[x], arrays[y], classes) for x, y in (("x", "y"), ("x_test", "y_test")))
    return train, test


def _as_texts(read: Callable[[Path], tuple[LabelledTexts, LabelledTexts]], data: Path, _: Path) -> Split:
    """Return the texts themselves, for a proxy that reads them."""
    train, test = read(data)
    classes = tuple(sorted(set(train[1])))
    return texts(train, classes), texts(test, classes)


def texts(labelled: LabelledTexts, classes: tuple[str, ...]) -> Samples:
    """Return samples whose rows are all of these texts."""
    labels = np.array([classes.index(label) for label in labelled[1]])
    column = pa.chunked_array([pa.array(labelled[0], pa.string())])
    return Samples(Texts((column,)), labels, classes, np.arange(len(labels), dtype=np.uint64), rows=len(labels))


BENCHMARKS: Mapping[str, Benchmark] = {
    "digits": Benchmark(digits),
    "synthetic": Benchmark(synthetic),
    "letter": Benchmark(letter),
    "ag_news": Benchmark(partial(_of_texts, ag_news, "ag_news", tf_idf), margin=0.005),
    "ag_news_minilm": Benchmark(partial(_of_texts, ag_news, "ag_news_minilm", minilm), margin=0.005),
    "ag_news_tuned": Benchmark(partial(_as_texts, ag_news), proxy="encoder", margin=0.005),
    "adult": Benchmark(adult),
    "sst2": Benchmark(partial(_of_texts, sst2, "sst2", tf_idf), margin=0.005),
    "sst2_minilm": Benchmark(partial(_of_texts, sst2, "sst2_minilm", minilm), margin=0.005),
    "sst2_tuned": Benchmark(partial(_as_texts, sst2), proxy="encoder", margin=0.005),
    "fashion_mnist": Benchmark(fashion_mnist),
    "cifar10": Benchmark(cifar10, proxy="resnet9"),
    "cifar10_cnn": Benchmark(cifar10, proxy="cnn"),
}
"""The quickest first."""


def at_most(samples: Samples, rows: int | None) -> Samples:
    """Draw a random subsample of so many rows, the same for every seed; all rows if there are no more, or for None."""
    if rows is None or rows >= len(samples):
        return samples
    chosen = np.sort(stream_rng(0, BenchmarkStream.SUBSAMPLE).permutation(len(samples))[:rows])
    return replace(
        samples,
        inputs=_taken(samples.inputs, chosen),
        labels=samples.labels[chosen],
        row_index=np.arange(rows, dtype=np.uint64),
        rows=rows,
        sample_key=None,
    )


def _taken(inputs: Inputs, rows: np.ndarray) -> Inputs:
    if isinstance(inputs, np.ndarray):
        return inputs[rows]
    assert isinstance(inputs, Texts), "no benchmark has dialogues"  # noqa: S101
    return Texts(tuple(part.take(rows) for part in inputs.parts))


def flip_labels(samples: Samples, share: float, *, seed: int) -> tuple[Samples, Bool[np.ndarray, " samples"]]:
    """Give this share of the samples the label of another class (each as likely); also return which those are."""
    rng = stream_rng(seed, BenchmarkStream.NOISE)
    flipped = np.zeros(len(samples), bool)
    flipped[rng.permutation(len(samples))[: round(share * len(samples))]] = True
    moved = rng.integers(1, len(samples.classes), len(samples))
    labels = np.where(flipped, (samples.labels + moved) % len(samples.classes), samples.labels)
    return replace(samples, labels=labels), flipped
