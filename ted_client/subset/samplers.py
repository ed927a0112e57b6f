"""Samplers for a torch ``DataLoader``: rows as often as they weigh, and fewer rows round after round.

They are iterables, as ``DataLoader(sampler=…)`` takes them. Each rank of a distributed run gets a part of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ted_core.errors import RoundsUnknown
from ted_core.random_streams import Stream, stream_rng
from ted_core.results.decisions import PHRASES, Reason
from ted_core.results.manifest import DECISIONS_SCHEMA, Manifest, read_manifest, read_metadata
from ted_core.selection.schedule import epochs_of_round


class EpochSampler(ABC):
    """Other rows, or another order, in each epoch; each iteration is the next one unless ``set_epoch`` names it."""

    def __init__(self, *, seed: int, rank: int, ranks: int) -> None:
        if not 0 <= rank < ranks:
            raise ValueError(f"rank {rank} is none of {ranks} ranks, which are counted from 0")
        self.seed, self.rank, self.ranks = seed, rank, ranks
        self.epoch = 0
        """The epoch, counted from 0, of the next iteration."""

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be that of this epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        rows = self.rows(self.epoch)
        self.epoch += 1
        share = np.resize(rows, self._share(len(rows)) * self.ranks)  # the first ones again where ranks would lack some
        return iter(share[self.rank :: self.ranks].tolist())

    def __len__(self) -> int:
        return self._share(self.count(self.epoch))

    def _share(self, rows: int) -> int:
        return -(-rows // self.ranks)

    @abstractmethod
    def count(self, epoch: int) -> int:
        """Return how many rows all ranks together see in the epoch."""

    @abstractmethod
    def rows(self, epoch: int) -> np.ndarray:
        """Return them in order: int64."""


class WeightedSampler(EpochSampler):
    """Positions in ``retained(…)``, drawn with replacement in proportion to the rows' weights, anew for each epoch.

    An epoch has as many draws as there are retained rows, or ``draws``. Take it instead of weights in the loss. Unlike
    torch's ``WeightedRandomSampler`` it can draw from more than 2²⁴ rows. Raises WeightsUnknown.

    >>> sampler = WeightedSampler("weighted.parquet", draws=1000)
    >>> drawn = list(sampler)
    >>> drawn.count(3) > 2 * drawn.count(0)  # of weights 2.0 and 0.5
    True
    """

    def __init__(
        self,
        manifest: str | Path | Manifest,
        *,
        draws: int | None = None,
        seed: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        super().__init__(seed=seed, rank=rank, ranks=ranks)
        weights = (manifest if isinstance(manifest, Manifest) else read_manifest(manifest)).weights
        self.cumulative = np.cumsum(weights, dtype=np.float64)
        self.draws = len(weights) if draws is None else draws

    def count(self, epoch: int) -> int:
        """Return the number of draws."""
        return self.draws

    def rows(self, epoch: int) -> np.ndarray:
        """Return the positions that are drawn."""
        chances = stream_rng(self.seed, Stream.SAMPLER_ROWS, epoch).random(self.draws)
        drawn: np.ndarray = np.searchsorted(self.cumulative, chances * self.cumulative[-1], side="right")
        return drawn


class ProgressiveSampler(EpochSampler):
    """Rows of the whole dataset, shuffled: all of them at first, and then those that the job's rounds had left.

    It replays the rounds of a job from its ``decisions.parquet``: the run's ``epochs`` are divided among them as the
    job's own were, and a row is visited up to the last round that had retained it. Pass it with the dataset itself, not
    with ``retained(…)``.

    Raises RoundsUnknown for decisions of a method without rounds, ManifestMismatch for what are no decisions.
    """

    def __init__(self, decisions: str | Path, *, epochs: int, seed: int = 0, rank: int = 0, ranks: int = 1) -> None:
        super().__init__(seed=seed, rank=rank, ranks=ranks)
        self.last_rounds = _last_rounds(Path(decisions))
        rounds = int(self.last_rounds.max(initial=1))
        self.retained_after = [self._retained_after(epoch, rounds, epochs) for epoch in range(epochs)]
        """For each epoch, the round that must have retained its rows; 0 for all rows."""

    @staticmethod
    def _retained_after(epoch: int, rounds: int, epochs: int) -> int:
        numbers = (n for n in range(1, rounds + 1) if epoch in epochs_of_round(n, rounds=rounds, epochs=epochs))
        return next(numbers) - 1

    def count(self, epoch: int) -> int:
        """Return the number of rows that are left."""
        return len(self._left(epoch))

    def rows(self, epoch: int) -> np.ndarray:
        """Return them, shuffled; after the last epoch, those that are left in the last one."""
        return stream_rng(self.seed, Stream.SAMPLER_ROWS, epoch).permutation(self._left(epoch))

    def _left(self, epoch: int) -> np.ndarray:
        number = self.retained_after[min(epoch, len(self.retained_after) - 1)]
        return np.flatnonzero(self.last_rounds >= number)


def _last_rounds(path: Path) -> np.ndarray:
    """The last round that retained each row; -1 for those that cannot be decoded."""
    method = read_metadata(path, DECISIONS_SCHEMA).plan.get("method")
    if method != "ted":
        raise RoundsUnknown(f"{path} holds decisions of the method {method}")
    table = pq.read_table(path, columns=["last_round", "reason"])
    undecodable = pc.equal(table["reason"].cast(pa.string()), PHRASES[Reason.UNDECODABLE])
    last_rounds: np.ndarray = table["last_round"].to_numpy().astype(np.int32)
    last_rounds[undecodable.to_numpy()] = -1
    return last_rounds
