"""The rivals that rank by a score, selecting what ``prune`` would, but from one scoring run for all keep ratios.

Each is charged what it would have cost alone.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool

from benchmarks.ground import Ground, Select, Selection, Timed
from ted_core.selection.baselines.ccs import aum_score, ccs_rows
from ted_core.selection.baselines.common import highest_rows
from ted_core.selection.baselines.dual import dual_rows, dual_score
from ted_core.selection.baselines.early import EarlyScores
from ted_core.selection.baselines.forgetting import forgetting_score
from ted_core.selection.training_dynamics import dual_epochs


def el2n(ground: Ground, kept: float) -> Selection:
    """Select the rows with the largest errors of young models."""
    return _early(ground.error_norms, ground, kept)


def grand(ground: Ground, kept: float) -> Selection:
    """Select the rows with the longest gradients of young models."""
    return _early(ground.gradient_norms, ground, kept)


def _early(found: Timed[EarlyScores], ground: Ground, kept: float) -> Selection:
    (score,), cost = found.value.scores, found.value.cost
    retained = highest_rows(score, ground.quota(kept))
    return Selection(retained, found.seconds, cost.samples_trained, cost.samples_measured)


def forgetting(ground: Ground, kept: float) -> Selection:
    """Select the rows that are forgotten most often."""
    score = forgetting_score(ground.observation.value)
    return _observed(ground, highest_rows(score, ground.quota(kept)))


def ccs(ground: Ground, kept: float) -> Selection:
    """Select easy and hard rows alike, except for the hardest."""
    return _observed(ground, ccs_rows(aum_score(ground.observation.value), ground.quota(kept)))


def dual(ground: Ground, kept: float) -> Selection:
    """Select the rows that are difficult and uncertain early on; charged only for the first epochs, all it watches."""
    seen = ground.observation.value
    retained = dual_rows(dual_score(seen), seen.dual_probability, ground.quota(kept))
    return _observed(ground, retained, share=dual_epochs(seen.epochs) / seen.epochs)


def _observed(ground: Ground, retained: Bool[np.ndarray, " samples"], *, share: float = 1.0) -> Selection:
    cost, seconds = ground.observation.value.cost, ground.observation.seconds
    trained, measured = (round(share * rows) for rows in (cost.samples_trained, cost.samples_measured))
    return Selection(retained, share * seconds, trained, measured)


RIVALS: Mapping[str, Select] = {"el2n": el2n, "grand": grand, "forgetting": forgetting, "ccs": ccs, "dual": dual}
