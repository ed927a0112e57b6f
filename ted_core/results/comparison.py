"""``python -m ted_core.results.comparison``: what a model gains from selected rows, beside all rows and random ones.

It reads one JSON document from standard input and writes one: accuracies on a test set that no selection has seen.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from ted_core.datasets import DatasetSpec, Limits, Samples, load
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.results.manifest import verify
from ted_core.training.trainer import fit

RowIndices = np.ndarray[Any, np.dtype[np.int64]]


class Comparison(BaseModel):
    """What to compare: the manifest's rows with all rows and with as many random ones, over several seeds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: DatasetSpec
    test: DatasetSpec
    manifest: Path
    proxy: ProxySpec
    seeds: tuple[int, ...]


def compare(wanted: Comparison, *, threads: int = 1) -> dict[str, list[float]]:
    """For ``full``, ``ted`` and ``random`` the test accuracy with each seed. Raises ManifestMismatch."""
    train, test = (_loaded(spec, threads=threads) for spec in (wanted.train, wanted.test))
    kept = verify(wanted.manifest, wanted.train.uri).row_indices.astype(np.int64)
    rows: dict[str, Callable[[int], RowIndices]] = {
        "full": lambda _: np.arange(len(train)),
        "ted": lambda _: np.searchsorted(train.row_index, kept),
        "random": lambda seed: _drawn(len(train), len(kept), seed=seed),
    }
    proxy = resolve_proxy(wanted.proxy)
    return {
        name: [fit(train, chosen(seed), proxy=proxy, seed=seed).accuracy(test) for seed in wanted.seeds]
        for name, chosen in rows.items()
    }


def _loaded(spec: DatasetSpec, *, threads: int) -> Samples:
    return load(spec, roots=[Path(spec.uri).parent], limits=Limits(threads))


def _drawn(samples: int, count: int, *, seed: int) -> RowIndices:
    """Random rows; other ones with every seed."""
    return np.sort(np.random.default_rng(seed).permutation(samples)[:count])


def main() -> None:
    """Compare what standard input names."""
    json.dump(compare(Comparison.model_validate_json(sys.stdin.read())), sys.stdout)


if __name__ == "__main__":
    main()
