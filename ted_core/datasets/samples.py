"""A dataset in memory, or mapped into it: what every format becomes before training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int64, UInt8, UInt64

from ted_core.datasets.spec import InputKind
from ted_core.warnings import JobWarning

Images = UInt8[np.ndarray, "held channels height width"]
Vectors = Float32[np.ndarray, "held features"]


@dataclass(frozen=True)
class Texts:
    """One text per sample, or two that belong together, such as a premise and its hypothesis."""

    parts: tuple[pa.ChunkedArray, ...]
    """One or two columns of strings without nulls, equally long."""

    def __len__(self) -> int:
        return len(self.parts[0])


@dataclass(frozen=True)
class Dialogues:
    """One conversation per sample, whose answers a language model is to learn."""

    turns: pa.ChunkedArray
    """A list of {role, content} per sample, without nulls; roles are system, user, assistant and tool.

    Where the dataset says so, also {learned}, false for an answer that is only context, and {tool_calls}, null or JSON
    that belongs to an answer."""

    def __len__(self) -> int:
        return len(self.turns)


Inputs = Images | Vectors | Texts | Dialogues


@dataclass(frozen=True)
class Labels:
    """What a dataset's target says."""

    codes: Int64[np.ndarray, " samples"] | Float32[np.ndarray, "samples classes"]
    """The class of each sample as an index of ``classes``; or, for each class, 1 if the sample has it."""
    classes: tuple[str, ...]
    """Sorted, numbers by value; in the request's order if each is a column of its own."""


@dataclass(frozen=True)
class InputColumns:
    """Which of a dataset's columns inputs are made of."""

    names: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Column → why it is none of them."""


@dataclass(frozen=True)
class Ownership:
    """Which of several processes has the inputs of which samples: the first those that come first, and so on."""

    starts: tuple[int, ...]
    """Where the samples of each of them begin; and, at the end, the number of all samples."""
    owner: int
    """The number of this process."""

    @property
    def first(self) -> int:
        """The first sample whose inputs are here."""
        return self.starts[self.owner]

    @property
    def own(self) -> slice:
        """The samples whose inputs are here."""
        return slice(self.first, self.starts[self.owner + 1])

    def own_of(self, samples: Int64[np.ndarray, " some"]) -> Int64[np.ndarray, " own"]:
        """Those of some samples, which ascend, whose inputs are here."""
        return samples[slice(*np.searchsorted(samples, [self.own.start, self.own.stop]))]

    def counts(self, samples: Int64[np.ndarray, " some"]) -> Int64[np.ndarray, " owners"]:
        """How many of some samples, which ascend, each process has the inputs of."""
        return np.diff(np.searchsorted(samples, self.starts))


@dataclass(frozen=True)
class Samples:
    """The rows of a dataset that can be trained on. Undecodable rows are left out, so ``row_index`` may have gaps."""

    inputs: Inputs
    """Of all samples, or of this process's own: see ``ownership``."""
    labels: Int64[np.ndarray, " samples"] | Float32[np.ndarray, "samples classes"]
    """The class of each sample; or, for each class, 1 if the sample has it. All 0 if nothing is classified."""
    classes: tuple[str, ...]
    """Empty if nothing is classified."""
    row_index: UInt64[np.ndarray, " samples"]
    """The dataset row of each sample, ascending."""
    rows: int
    """All rows of the dataset, undecodable ones included."""
    sample_key: pa.Array | None = field(default=None, repr=False)
    """The dataset's own ids, one string per dataset row."""
    task: str | None = None
    """The request's task if an installed package adds it; None for one of TED's own, which inputs and labels show."""
    cache: Path | None = None
    """The folder for what is computed from the inputs and worth keeping: tokens, features, hidden states."""
    cache_bytes: int | None = None
    """What that folder may hold; None if there is no limit."""
    hidden: Float32[np.ndarray, "tokens width"] | None = field(default=None, repr=False)
    """What a pretrained model's frozen blocks make of each token, sample after sample, where only the blocks above them
    are trained."""
    warnings: tuple[JobWarning, ...] = ()
    """What was accepted on the way here, but may not be what was meant."""
    columns: InputColumns = field(default_factory=InputColumns, repr=False)
    """What ``inputs`` was made of."""
    ownership: Ownership | None = None
    """Which process has the inputs of which samples; None if this one has all of them."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def kind(self) -> InputKind:
        """What one input is."""
        if isinstance(self.inputs, np.ndarray):
            return "image" if self.inputs.ndim == 4 else "vector"  # noqa: PLR2004 - samples, channels, height, width
        return "text" if isinstance(self.inputs, Texts) else "dialogue"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input; () for texts and conversations."""
        return self.inputs.shape[1:] if isinstance(self.inputs, np.ndarray) else ()

    @property
    def multi_label(self) -> bool:
        """Whether a sample may have several classes, or none."""
        return self.labels.ndim == 2  # noqa: PLR2004 - samples, classes

    @property
    def one_class_each(self) -> bool:
        """Whether every sample has one class, and the loss is TED's own."""
        return bool(self.classes) and not self.multi_label and self.task is None

    @cached_property
    def groups(self) -> Int64[np.ndarray, " samples"]:
        """What classes are balanced by: the sample's class, or the rarest of those it has, or one past the last."""
        return rarest_class(self.labels) if self.multi_label else self.labels


def rarest_class(labels: Float32[np.ndarray, "samples classes"]) -> Int64[np.ndarray, " samples"]:
    """Return the rarest of each sample's classes; for a sample without any, the number of classes."""
    by_rarity = np.argsort(labels.sum(0), kind="stable")
    first = labels[:, by_rarity].argmax(1)
    return np.asarray(np.where(labels.any(1), by_rarity[first], labels.shape[1]), np.int64)
