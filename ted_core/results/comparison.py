"""``python -m ted_core.results.comparison``: compare a selection with all rows and with random rows.

It reads a JSON document from standard input and writes another: accuracies on a test set that no selection has seen.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from ted_core.datasets import DatasetSpec, Limits, Samples, load
from ted_core.machine.processors import processor_count
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.random_streams import Stream, stream_rng
from ted_core.results.manifest import verify
from ted_core.training.trainer import fit

RowIndices = np.ndarray[Any, np.dtype[np.int64]]


class Comparison(BaseModel):
    """What to compare: models that are trained on the manifest's rows, on all rows and on as many random ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: DatasetSpec
    test: DatasetSpec
    manifest: Path
    proxy: ProxySpec
    seeds: tuple[int, ...]


def compare(comparison: Comparison, *, threads: int) -> dict[str, list[float]]:
    """The test accuracy with each seed, for ``full``, ``ted`` and ``random``. Raises ManifestMismatch."""
    train, test = (_load(spec, threads=threads) for spec in (comparison.train, comparison.test))
    kept = verify(comparison.manifest, comparison.train.uri).row_indices
    rows: dict[str, Callable[[int], RowIndices]] = {
        "full": lambda _: np.arange(len(train)),
        "ted": lambda _: np.searchsorted(train.row_index, kept),
        "random": lambda seed: _random_rows(len(train), len(kept), seed=seed),
    }
    proxy = resolve_proxy(comparison.proxy)
    return {
        name: [fit(train, choose(seed), proxy=proxy, seed=seed).accuracy(test) for seed in comparison.seeds]
        for name, choose in rows.items()
    }


def _load(spec: DatasetSpec, *, threads: int) -> Samples:
    return load(spec, roots=[Path(spec.uri).parent], limits=Limits(threads))


def _random_rows(samples: int, count: int, *, seed: int) -> RowIndices:
    """Random rows, others with every seed."""
    return np.sort(stream_rng(seed, Stream.COMPARISON_ROWS).permutation(samples)[:count])


def main() -> None:
    """Run the comparison that standard input describes, on all processors that this process may use."""
    threads = processor_count()
    torch.set_num_threads(threads)
    json.dump(compare(Comparison.model_validate_json(sys.stdin.read()), threads=threads), sys.stdout)


if __name__ == "__main__":
    main()
