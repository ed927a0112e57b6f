"""How each method selects rows, and what a fresh model trains on in each epoch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from benchmarks.accuracy.rivals import RIVALS
from benchmarks.fresh import Rows
from benchmarks.ground import Ground, Select, Selection, Timed, timed
from benchmarks.random_streams import BenchmarkStream
from ted_core.plan import PruningPlan
from ted_core.random_streams import stream_rng
from ted_core.selection.prune import prune
from ted_core.selection.rounds import Round

Feed = Callable[[Ground, Selection, int, int], Sequence[Rows]]
"""(what is shared, selection, rows kept, epochs) → the rows of each epoch."""


@dataclass(frozen=True)
class Method:
    """One column of the table."""

    select: Select
    feed: Feed


def everything(ground: Ground, _: float) -> Selection:
    """Select all rows."""
    return Selection(np.ones(len(ground.train), bool))


def pruned(**plan: Any) -> Select:
    """Return a function that selects what the service's own loop does with this plan."""

    def select(ground: Ground, kept: float) -> Selection:
        final = _final_round(ground, kept, **plan)
        return _selection(final, final.value.retained)

    return select


def reversed_score(ground: Ground, kept: float) -> Selection:
    """Select, as an ablation, the rows whose score is lowest at the end of the loop with q = 1."""
    final = _final_round(ground, kept, q=1.0)
    lowest = np.zeros(len(ground.train), bool)
    lowest[np.argsort(final.value.score, kind="stable")[: ground.rows_kept(kept)]] = True
    return _selection(final, lowest)


def _final_round(ground: Ground, kept: float, **plan: Any) -> Timed[Round]:
    asked = PruningPlan(keep_ratio=kept, seed=ground.seed, **plan)
    return timed(lambda: list(prune(ground.train, asked, proxy=ground.proxy))[-1])


def _selection(final: Timed[Round], retained: Bool[np.ndarray, " samples"]) -> Selection:
    unseen = final.value.internal_generalization
    return Selection(
        retained=retained,
        seconds=final.seconds,
        rows_trained=final.value.samples_trained,
        rows_measured=final.value.samples_measured,
        q=final.value.q,
        internal_generalization=None if np.isnan(unseen).any() else unseen,
    )


def the_same_rows(_: Ground, selection: Selection, __: int, epochs: int) -> list[Rows]:
    """Return the selection for every epoch."""
    return [np.flatnonzero(selection.retained)] * epochs


def fresh_random_rows(ground: Ground, _: Selection, rows: int, epochs: int) -> list[Rows]:
    """Return another random subset for each epoch."""
    rng = stream_rng(ground.seed, BenchmarkStream.DYNAMIC_RANDOM)
    return [rng.permutation(len(ground.train))[:rows] for _ in range(epochs)]


def pass_after_pass(ground: Ground, _: Selection, rows: int, epochs: int) -> list[Rows]:
    """Return all rows in random order, pass after pass, until as many rows are visited as with the selection."""
    rng, total = stream_rng(ground.seed, BenchmarkStream.PASSES), rows * epochs
    passes = [rng.permutation(len(ground.train)) for _ in range(-(-total // len(ground.train)))]
    return list(np.concatenate(passes)[:total].reshape(epochs, rows))


FIXED_Q = (0, 0.25, 0.5, 1, 2, 4, 8)

METHODS: Mapping[str, Method] = {
    "full": Method(everything, the_same_rows),
    "random": Method(pruned(method="random"), the_same_rows),
    "stratified": Method(pruned(method="stratified"), the_same_rows),
    **{name: Method(select, the_same_rows) for name, select in RIVALS.items()},
    "dynamic-random": Method(everything, fresh_random_rows),
    "full-short": Method(everything, pass_after_pass),
    "ted": Method(pruned(), the_same_rows),
    **{f"ted-q{q:g}": Method(pruned(q=q), the_same_rows) for q in FIXED_Q},
    "ted-parameter": Method(pruned(score="parameter"), the_same_rows),
    "ted-reversed": Method(reversed_score, the_same_rows),
}
