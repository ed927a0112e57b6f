"""The baselines that rank by a score, from one scoring run for all keep ratios.

``BASELINES`` select what ``prune`` would; ``RIVALS`` are in ``benchmarks.rivals`` alone. Each is charged what it would
have cost by itself.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool

from benchmarks.rivals.tdds import tdds_score, trajectory_length
from benchmarks.rivals.unseen import select_unseen
from benchmarks.setting import Select, Selection, SettingData, TimedResult, measure_time
from ted_core.proxies import resolve_proxy
from ted_core.selection.baselines.ccs import aum_score, ccs_rows
from ted_core.selection.baselines.common import highest_rows
from ted_core.selection.baselines.dual import dual_rows, dual_score
from ted_core.selection.baselines.early import EarlyScores
from ted_core.selection.baselines.forgetting import forgetting_score
from ted_core.selection.baselines.training_dynamics import dual_epochs


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


def aum(data: SettingData, kept: float) -> Selection:
    """Prune the rows of lowest AUM, the mean margin of the logits (Pleiss et al. 2020, arXiv 2001.10528).

    The paper prunes what lies below a threshold that it learns from rows put into a class of their own. Here the keep
    ratio says how many go, so there is no threshold and no such class.
    """
    return _watched(data, highest_rows(data.trajectory.value.margin, data.quota(kept)))


def tdds(data: SettingData, kept: float) -> Selection:
    """Select the rows whose part in training varies most; charged only for the epochs that this ratio watches."""
    score = tdds_score(data.trajectory.value.movements, epochs=data.epochs, keep_ratio=kept)
    share = trajectory_length(data.epochs, kept) / data.epochs
    return _watched(data, highest_rows(score, data.quota(kept)), share=share)


def _watched(data: SettingData, retained: Bool[np.ndarray, " samples"], *, share: float = 1.0) -> Selection:
    watched, seconds = data.trajectory.value, data.trajectory.seconds
    trained, measured = (round(share * rows) for rows in (watched.samples_trained, watched.samples_measured))
    return Selection(retained, share * seconds, trained, measured)


def unseen(data: SettingData, kept: float) -> Selection:
    """Select, in steps, the rows with the largest errors of models that have not seen them."""
    proxy, quota = resolve_proxy(data.proxy), data.quota(kept)
    found = measure_time(lambda: select_unseen(data.train, quota, proxy=proxy))
    return Selection(found.value.retained, found.seconds, found.value.samples_trained, found.value.samples_measured)


BASELINES: Mapping[str, Select] = {"el2n": el2n, "grand": grand, "forgetting": forgetting, "ccs": ccs, "dual": dual}
RIVALS: Mapping[str, Select] = {"aum": aum, "tdds": tdds, "unseen": unseen}
