"""The baselines that rank by a score, selecting what ``prune`` would, but from one scoring run for all keep ratios.

Each is charged what it would have cost alone.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool

from benchmarks.setting import Select, Selection, SettingData, TimedResult
from ted_core.selection.baselines.ccs import aum_score, ccs_rows
from ted_core.selection.baselines.common import highest_rows
from ted_core.selection.baselines.dual import dual_rows, dual_score
from ted_core.selection.baselines.early import EarlyScores
from ted_core.selection.baselines.forgetting import forgetting_score
from ted_core.selection.training_dynamics import dual_epochs


def el2n(data: SettingData, kept: float) -> Selection:
    """Select the rows with the largest errors of young models."""
    return _early(data.error_norms, data, kept)


def grand(data: SettingData, kept: float) -> Selection:
    """Select the rows with the longest gradients of young models."""
    return _early(data.gradient_norms, data, kept)


def _early(early: TimedResult[EarlyScores], data: SettingData, kept: float) -> Selection:
    (score,), cost = early.value.scores, early.value.cost
    retained = highest_rows(score, data.quota(kept))
    return Selection(retained, early.seconds, cost.samples_trained, cost.samples_measured)


def forgetting(data: SettingData, kept: float) -> Selection:
    """Select the rows that are forgotten most often."""
    score = forgetting_score(data.observation.value)
    return _observed(data, highest_rows(score, data.quota(kept)))


def ccs(data: SettingData, kept: float) -> Selection:
    """Select easy and hard rows alike, except for the hardest."""
    return _observed(data, ccs_rows(aum_score(data.observation.value), data.quota(kept)))


def dual(data: SettingData, kept: float) -> Selection:
    """Select the rows that are difficult and uncertain early on; charged only for the first epochs, all it watches."""
    observation = data.observation.value
    retained = dual_rows(dual_score(observation), observation.dual_probability, data.quota(kept))
    return _observed(data, retained, share=dual_epochs(observation.epochs) / observation.epochs)


def _observed(data: SettingData, retained: Bool[np.ndarray, " samples"], *, share: float = 1.0) -> Selection:
    cost, seconds = data.observation.value.cost, data.observation.seconds
    trained, measured = (round(share * rows) for rows in (cost.samples_trained, cost.samples_measured))
    return Selection(retained, share * seconds, trained, measured)


BASELINES: Mapping[str, Select] = {"el2n": el2n, "grand": grand, "forgetting": forgetting, "ccs": ccs, "dual": dual}
