"""Texts or dialogues as tokens, cut into batches of like length."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from ted_core.datasets import Samples
from ted_core.distributed.share import WHOLE, Share
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.pretrained.tokenization import tokenize
from ted_core.proxies.pretrained.tokens import TokenBatch, pad_batch
from ted_core.proxies.pretrained_settings import CPU_BUDGET, TOKEN_BUDGET
from ted_core.training.batches import Batch, RowIndices, Step
from ted_core.training.objectives import Answers, task_of

POOL = 50
"""Batches whose rows are sorted by length. More would save a little padding, and tie rows of one length together."""


class TokenBatches:
    """Texts or dialogues as tokens. The tokens stay where they are; batches of them go to the device."""

    def __init__(self, samples: Samples, model: Path, *, device: str = "cpu", parts: int = 1) -> None:
        """``parts``: into how many what the device is given at once is cut."""
        self.device, self.task, self.model, self.cut_into = torch.device(device), task_of(samples), model, parts
        self.tokens, self.hidden = tokenize(samples, model), samples.hidden
        self.budget = (CPU_BUDGET if self.device.type == "cpu" else TOKEN_BUDGET[samples.kind]) // parts
        self.labels = torch.from_numpy(samples.labels).to(self.device)

    @classmethod
    def of(cls, samples: Samples, proxy: ResolvedProxy, *, device: str = "cpu") -> "TokenBatches":
        """The samples in the vocabulary of the proxy's pretrained model. Raises UnknownModel."""
        return cls(samples, proxy.pretrained_model, device=device, parts=proxy.batch_parts)

    def like(self, samples: Samples) -> "TokenBatches":
        """Other samples in the same vocabulary."""
        return TokenBatches(samples, self.model, device=str(self.device), parts=self.cut_into)

    def shuffled(
        self, rows: RowIndices, batch_size: int, *, rng: np.random.Generator, augment: bool, share: Share = WHOLE
    ) -> Iterator[Step]:
        """Batches of rows of similar length, cut if they hold more tokens than the budget. Nothing is augmented.

        The rows are shuffled, each pool of them is sorted by length and cut into batches, and these are shuffled.
        """
        order, size = rng.permutation(rows), batch_size * POOL
        pools = [self._by_length(order[start : start + size]) for start in range(0, len(order), size)]
        batches = [pool[start : start + batch_size] for pool in pools for start in range(0, len(pool), batch_size)]
        for number in rng.permutation(len(batches)):
            batch = batches[number]
            if len(batch) >= share.count:
                yield Step(list(self.in_order(share.of(batch))), len(batch))

    def stretch(self, rows: RowIndices, share: Share) -> Int64[np.ndarray, " own"]:
        """The share's part of the rows."""
        return share.stretch(rows)

    def in_order(self, rows: RowIndices) -> Iterator[Batch]:
        """The rows as they come, in batches that hold no more tokens than the budget, or a single row."""
        for part in split_by_tokens(rows, self.tokens.lengths[rows], self.budget):
            batch = pad_batch(self.tokens, part, device=self.device, hidden=self.hidden)
            yield batch, self._targets(batch, part)

    def cheapest_order(self, rows: RowIndices) -> Int64[np.ndarray, " rows"]:
        """The longest first: least padding, and what does not fit the memory shows at once."""
        return np.argsort(-self.tokens.lengths[rows], kind="stable")

    def _by_length(self, rows: RowIndices) -> RowIndices:
        return rows[np.argsort(self.tokens.lengths[rows], kind="stable")]

    def _targets(self, batch: TokenBatch, rows: RowIndices) -> Tensor | Answers:
        if batch.predicts is None:
            return self.labels[torch.from_numpy(rows).to(self.device)]
        return answers_of(batch)


def answers_of(batch: TokenBatch) -> Answers:
    """The tokens that follow the positions at which the batch asks for a prediction."""
    assert batch.predicts is not None, "only dialogues have answers"  # noqa: S101
    sample, position = batch.predicts.nonzero(as_tuple=True)
    return Answers(batch.ids[sample, position + 1], sample, len(batch.ids))


def split_by_tokens(rows: RowIndices, lengths: Int64[np.ndarray, " rows"], budget: int) -> Iterator[RowIndices]:
    """Cut the rows, as they come, into parts that fit the budget once padded, or that are a single row."""
    start, longest = 0, 0
    for place, length in enumerate(lengths.tolist()):
        if place > start and max(longest, length) * (place + 1 - start) > budget:
            yield rows[start:place]
            start, longest = place, 0
        longest = max(longest, length)
    if len(rows):
        yield rows[start:]
