"""Models of a proxy's kind, trained on some rows of one dataset and tested on another."""

from dataclasses import dataclass

import numpy as np

from ted_core.datasets import Samples
from ted_core.errors import SplitsDiffer
from ted_core.evaluation.evaluate import RowNumbers
from ted_core.proxies import ResolvedProxy
from ted_core.training.trainer import fit


@dataclass(frozen=True)
class ProxyModels:
    """Trains a fresh model on some rows and returns the share of its predictions about the test data that are right.

    Raises SplitsDiffer if the test data are not encoded as the training data are.
    """

    train: Samples
    test: Samples
    proxy: ResolvedProxy
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.train.classes != self.test.classes:
            fact = (
                f"The training data have {len(self.train.classes)} classes, the test data other ones or in other order"
            )
            raise SplitsDiffer(fact, field="test.target")
        if (self.train.kind, self.train.input_shape) != (self.test.kind, self.test.input_shape):
            shapes = (f"{one.kind}s of shape {one.input_shape}" for one in (self.train, self.test))
            raise SplitsDiffer(" are trained on, and tested are ".join(shapes), field="test.input")
        if any(map(_has_encoded_columns, (self.train, self.test))):
            raise SplitsDiffer("Categories of each table are numbered by its own rows", field="test.input")

    def __call__(self, rows: RowNumbers, seed: int) -> float:
        """Train on these rows of the dataset, of which undecodable ones are left out."""
        places = np.flatnonzero(np.isin(self.train.row_index, rows.astype(np.uint64)))
        return fit(self.train, places, proxy=self.proxy, seed=seed, device=self.device).accuracy(self.test)


def _has_encoded_columns(samples: Samples) -> bool:
    """Whether a column became several inputs: one for each category, or one that tells where a number is missing."""
    columns = samples.columns.names
    return samples.kind == "vector" and len(columns) > 1 and samples.input_shape != (len(columns),)
