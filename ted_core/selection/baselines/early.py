"""EL2N and GraNd: errors and gradients of several models early in training (Paul et al. 2021, arXiv 2107.07075).

Both are expectations over the initialization, taken early in training: the paper averages ten models after 20 of 200
epochs, and so do we: ten models after a tenth of the proxy's epochs, at least one. All of them together cost about one
full training run. Highest scores are kept.

The paper also reports GraNd at initialization, without any training. That result does not reproduce (Kirsch 2023,
arXiv 2303.14753), so GraNd is measured here at the same early time as EL2N.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ResolvedProxy
from ted_core.selection.baselines.common import Quota, final_round
from ted_core.selection.baselines.training_dynamics import Measure, Run, TrainingCost
from ted_core.selection.execution import Execution
from ted_core.selection.progress import ProgressCounter
from ted_core.selection.random import tie_broken_ranks
from ted_core.selection.rounds import ProgressCallback, Round, ignore_progress
from ted_core.training.gradients import gradient_norms
from ted_core.training.trainer import batches_of

MODELS = 10
SHARE = 0.1


@dataclass(frozen=True)
class EarlyScores:
    """The mean of each measure over the models, one number per sample."""

    scores: tuple[Float32[np.ndarray, " samples"], ...]
    cost: TrainingCost


def early_epochs(epochs: int) -> int:
    """The number of a run's epochs before measuring: a tenth, at least one."""
    return max(1, round(SHARE * epochs))


def early_scores(
    samples: Samples,
    proxy: ResolvedProxy,
    measures: Sequence[Measure],
    *,
    seed: int,
    device: str = "cpu",
    watch: ProgressCallback = ignore_progress,
) -> EarlyScores:
    """The mean of every measure over the same ten briefly trained models. Raises TrainingDiverged."""
    table = batches_of(samples, proxy, device=device)
    epochs = early_epochs(proxy.training.epochs)
    progress = ProgressCounter(watch, rounds=1, work=MODELS * epochs * len(samples))
    totals = np.zeros((len(measures), len(samples)))
    losses = []
    for number in range(MODELS):
        run = Run(samples, proxy, table=table, seed=seed, number=number)
        losses.append([run.train_epoch(epoch, count_rows=progress.count_trained) for epoch in range(epochs)][-1])
        run.require_descent(losses[-1])
        totals += [run.measure(measure) for measure in measures]
        progress.count_measured(len(measures) * len(samples))
    scores = tuple((totals / MODELS).astype(np.float32))
    return EarlyScores(scores, TrainingCost(float(np.mean(losses)), progress.rows_trained, progress.rows_measured))


@torch.inference_mode()
def error_norms(model: nn.Module, inputs: Any, labels: Int64[Tensor, " samples"]) -> Float32[Tensor, " samples"]:
    """The norm of each sample's error vector: probabilities minus the one-hot label."""
    probabilities = model(inputs).softmax(1)
    return torch.linalg.vector_norm(probabilities - one_hot(labels, probabilities.shape[1]), dim=1)  # type: ignore[no-any-return]


def by_error_norm(samples: Samples, plan: PruningPlan, proxy: ResolvedProxy, execution: Execution) -> Iterator[Round]:
    """Run EL2N: keep the rows on which models early in training err most."""
    yield _highest(samples, plan, proxy, execution, error_norms)


def by_gradient_norm(
    samples: Samples, plan: PruningPlan, proxy: ResolvedProxy, execution: Execution
) -> Iterator[Round]:
    """Run GraNd: keep the rows whose loss has the largest gradient in those models' parameters."""
    yield _highest(samples, plan, proxy, execution, gradient_norms)


def _highest(
    samples: Samples, plan: PruningPlan, proxy: ResolvedProxy, execution: Execution, measure: Measure
) -> Round:
    early = early_scores(samples, proxy, [measure], seed=plan.seed, device=execution.device, watch=execution.watch)
    (score,) = early.scores
    return final_round(tie_broken_ranks(score, seed=plan.seed), Quota.of(samples, plan), score=score, cost=early.cost)
