"""The rules that are compared: each selects as many rows of the same samples."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ResolvedProxy
from ted_core.selection.prune import prune
from ted_core.selection.rounds import Round
from ted_core.selection.sampling import PoissonSampler
from ted_core.selection.scores import ProbabilityScore
from ted_core.selection.workload import row_work

GRID = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
FIXED = {f"q = {q:g}": q for q in GRID}
PLANS: Mapping[str, dict[str, Any]] = {"margin": {}, "stratified": {"method": "stratified"}}


@dataclass(frozen=True)
class Selected:
    """Which rows a rule keeps, and what its loop says about labels."""

    retained: Bool[np.ndarray, " samples"]
    margin: Float32[np.ndarray, " samples"] | None = None
    noise: float | None = None
    row_visits: float = 0.0
    """Of training, and a third of those of measuring."""

    @classmethod
    def of(cls, last: Round) -> "Selected":
        """Take what the last round says."""
        visits = row_work(last.samples_trained, last.samples_measured)
        return cls(last.retained, last.margin, last.noise and last.noise.share, visits)


def select(samples: Samples, proxy: ResolvedProxy, *, kept: float, seed: int) -> dict[str, Selected]:
    """Apply every rule. The exponents share one loop with q = 1 and differ in its last draw only."""
    rules = {name: Selected.of(_last(samples, proxy, kept=kept, seed=seed, **plan)) for name, plan in PLANS.items()}
    return rules | _with_exponents(samples, proxy, kept=kept, seed=seed)


def _last(samples: Samples, proxy: ResolvedProxy, *, kept: float, seed: int, **plan: Any) -> Round:
    return list(prune(samples, PruningPlan(keep_ratio=kept, seed=seed, **plan), proxy=proxy))[-1]


def _with_exponents(samples: Samples, proxy: ResolvedProxy, *, kept: float, seed: int) -> dict[str, Selected]:
    plan = PruningPlan(keep_ratio=kept, seed=seed, q=1.0)
    measured = ProbabilityScore(len(samples), plan)
    measured.performance = _last(samples, proxy, kept=kept, seed=seed, q=1.0).internal_generalization.astype(float)
    sampler, count = PoissonSampler(samples.groups, plan), plan.rows_kept(len(samples))
    return {
        name: Selected(sampler.sample(measured.score(q), measured.performance, count).retained)
        for name, q in FIXED.items()
    }
