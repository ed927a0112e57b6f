"""What was decided about every row of a dataset, and why: the content of a manifest."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float32, Int32, Int64, UInt8, UInt16, UInt64


class Reason(IntEnum):
    """Why a row was kept or pruned. The order is the manifest's dictionary; append, never reorder."""

    KEPT = 0
    WELL_GENERALIZED = 1
    POORLY_GENERALIZED = 2
    CLASS_FLOOR = 3
    UNDECODABLE = 4
    RANDOM = 5
    SCORED_LOWER = 6
    UNKNOWN = 7

    @property
    def phrase(self) -> str:
        """The words that the decisions file uses."""
        return PHRASES[self]


PHRASES = {
    Reason.KEPT: "kept",
    Reason.WELL_GENERALIZED: "well generalized (redundant)",
    Reason.POORLY_GENERALIZED: "poorly generalized (hard or mislabelled)",
    Reason.CLASS_FLOOR: "class floor",
    Reason.UNDECODABLE: "undecodable",
    Reason.RANDOM: "not drawn",
    Reason.SCORED_LOWER: "scored lower",
    Reason.UNKNOWN: "unknown",
}


class Members(NamedTuple):
    """Pairs of a row and one of its classes."""

    row: Int64[np.ndarray, " pairs"]
    label: Int32[np.ndarray, " pairs"]


@dataclass(frozen=True)
class Decisions:
    """One entry per row of the dataset, in the dataset's own row order, undecodable rows included.

    ``label`` holds indices into ``classes``, or -1 for rows without a class. Measures that do not exist (of an
    undecodable row, or of a method that measures nothing) are NaN.
    """

    kept: Bool[np.ndarray, " rows"]
    internal_generalization: Float32[np.ndarray, " rows"]
    score: Float32[np.ndarray, " rows"]
    rank: UInt64[np.ndarray, " rows"]
    """0 is the row that would be pruned last; ties and NaN are ordered by row index."""
    last_round: UInt16[np.ndarray, " rows"]
    """The last round in which the row was retained; 0 if never."""
    reason: UInt8[np.ndarray, " rows"]
    label: Int32[np.ndarray, " rows"]
    classes: tuple[str, ...]
    margin: Float32[np.ndarray, " rows"] | None = None
    """Mean out-of-sample margin: the probability of the label minus that of its strongest rival."""
    likeliest: Int32[np.ndarray, " rows"] | None = None
    """The class that a model which has not seen the row took it for at the end, as an index; -1 if none was named."""
    suspicion: Float32[np.ndarray, " rows"] | None = None
    """How suspicious the label is: see ``ted_core.results.suspects.suspicion``."""
    inclusion_probability: Float32[np.ndarray, " rows"] | None = None
    """The probability with which the row was to be kept; None if chance had no part in it."""
    sample_key: pa.Array | None = None
    """The dataset's own ids as strings, if it has any."""
    base_performance: Float32[np.ndarray, " rows"] | None = None
    """Each row's performance under the pretrained model itself, for proxies that start from a language model."""
    members: Members | None = None
    """Every class of every row, if rows may have several; ``label`` then holds the rarest."""

    @property
    def memberships(self) -> Members:
        """Every class of every row that has one."""
        if self.members is not None:
            return self.members
        rows = np.flatnonzero(self.label >= 0)
        return Members(rows, self.label[rows])
