"""The tokens of many samples, one sample after another, and the padded batches that a model takes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int32, Int64, Shaped, UInt8
from torch import Tensor


@dataclass(frozen=True)
class Tokens:
    """Token ids of samples of different lengths. The arrays may be read-only views of a file."""

    ids: Int32[np.ndarray, " tokens"]
    offsets: Int64[np.ndarray, " bounds"]
    """Sample i holds ``ids[offsets[i]:offsets[i + 1]]``; one more than there are samples."""
    types: UInt8[np.ndarray, " tokens"] | None = None
    """Which text of a pair a token belongs to, 0 or 1, for models that ask."""
    answers: Bool[np.ndarray, " tokens"] | None = None
    """Which tokens a language model is to say."""
    pad: int = 0
    """The id that fills up shorter samples in a batch."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def concatenate(cls, parts: Sequence["Tokens"]) -> "Tokens":
        """Join the samples of all parts; there is at least one part."""
        lengths = np.concatenate([part.lengths for part in parts])
        types = [part.types for part in parts if part.types is not None]
        answers = [part.answers for part in parts if part.answers is not None]
        return cls(
            np.concatenate([part.ids for part in parts]),
            offsets_of(lengths),
            types=np.concatenate(types) if types else None,
            answers=np.concatenate(answers) if answers else None,
            pad=parts[0].pad,
        )

    @cached_property
    def lengths(self) -> Int64[np.ndarray, " samples"]:
        """How many tokens each sample has."""
        return np.diff(self.offsets)


def offsets_of(lengths: Int64[np.ndarray, " samples"]) -> Int64[np.ndarray, " bounds"]:
    """Where samples of these lengths begin, and where the last one ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


class TokenBatch(NamedTuple):
    """Several samples side by side, padded on the right to the longest one."""

    ids: Int64[Tensor, "samples length"]
    mask: Bool[Tensor, "samples length"]
    """False where it is padding."""
    types: Int64[Tensor, "samples length"] | None
    predicts: Bool[Tensor, "samples length"] | None
    """The positions whose next token is one of an answer: a language model is judged by what it says there."""
    hidden: Float[Tensor, "samples length width"] | None = None
    """What the blocks below those that are trained have made of each token, if these are not to be calculated."""


HiddenStates = Float32[np.ndarray, "tokens width"]
"""Of every token of many samples, one sample after another."""


def places_of(
    tokens: Tokens, rows: Int64[np.ndarray, " rows"]
) -> tuple[Bool[np.ndarray, "rows length"], Int64[np.ndarray, " places"]]:
    """Where in a padded batch the tokens of these samples stand, and where they lie among all tokens."""
    lengths = tokens.lengths[rows]
    positions = np.arange(lengths.max())
    mask = positions < lengths[:, None]
    return mask, (tokens.offsets[rows][:, None] + positions)[mask]


def pad_batch(
    tokens: Tokens,
    rows: Int64[np.ndarray, " rows"],
    *,
    device: torch.device,
    hidden: HiddenStates | None = None,
) -> TokenBatch:
    """Pad these samples, at least one, into a batch, in this order."""
    mask, places = places_of(tokens, rows)

    def side_by_side(values: Shaped[np.ndarray, "tokens ..."], fill: int, kind: type) -> Tensor:
        filled = np.full((*mask.shape, *values.shape[1:]), fill, kind)
        filled[mask] = values[places]
        return torch.from_numpy(filled).to(device)

    answers = None if tokens.answers is None else side_by_side(tokens.answers, False, np.bool_)
    return TokenBatch(
        ids=side_by_side(tokens.ids, tokens.pad, np.int64),
        mask=torch.from_numpy(mask).to(device),
        types=None if tokens.types is None else side_by_side(tokens.types, 0, np.int64),
        predicts=None if answers is None else shift_left(answers),
        hidden=None if hidden is None else side_by_side(hidden, 0, np.float32),
    )


def shift_left(answers: Bool[Tensor, "samples length"]) -> Bool[Tensor, "samples length"]:
    """For each position whether the next one is marked; after the last comes nothing."""
    return torch.cat([answers[:, 1:], torch.zeros_like(answers[:, :1])], dim=1)
