"""A dataset in memory: what every format becomes before training."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int64, UInt8, UInt64

Images = UInt8[np.ndarray, "samples channels height width"]
Vectors = Float32[np.ndarray, "samples features"]


@dataclass(frozen=True)
class Labels:
    """One class per sample: ``codes`` index ``classes``, which are sorted, numbers by value."""

    codes: Int64[np.ndarray, " samples"]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Samples:
    """The rows of a dataset that can be trained on. Undecodable rows are left out, so ``row_index`` may have gaps."""

    inputs: Images | Vectors
    labels: Int64[np.ndarray, " samples"]
    classes: tuple[str, ...]
    row_index: UInt64[np.ndarray, " samples"]
    """The dataset row of each sample, ascending."""
    rows: int
    """All rows of the dataset, undecodable ones included."""
    sample_key: pa.Array | None = field(default=None, repr=False)
    """The dataset's own ids, one string per dataset row."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def kind(self) -> Literal["image", "vector"]:
        """What one input is."""
        return "image" if self.inputs.ndim == 4 else "vector"  # noqa: PLR2004 - samples, channels, height, width

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return self.inputs.shape[1:]
