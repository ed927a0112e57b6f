"""``python -m benchmarks.label_quality DATA --results DIR``: suspects ranked by TED and by cleanlab, side by side.

Both rank by the same out-of-sample probabilities: those that the twins of one job give every row when it is measured,
the last time or in the mean. The measure is the area under the ROC curve: how often a wrong label looks more suspicious
than a right one. The package is no dependency: ``pip install cleanlab``.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Int64
from sklearn.metrics import roc_auc_score

from benchmarks.datasets import BENCHMARKS
from benchmarks.harness import command, machine, workers
from benchmarks.harness.markdown import collapsible, mean_and_deviation, table
from benchmarks.harness.result_set import ResultSet, unfinished
from benchmarks.held_back.label_noise import KINDS, with_wrong_labels
from benchmarks.setting import Folders, Setting, SettingData, load_setting
from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import resolve_proxy
from ted_core.results.suspects.suspicion import suspicion
from ted_core.selection.execution import Execution
from ted_core.selection.loop import Loop
from ted_core.selection.rounds import Round
from ted_core.selection.schedule import is_measured
from ted_core.selection.twins import Twins
from ted_core.training.batches import measure_rows
from ted_core.training.features import prepare_samples
from ted_core.training.trainer import Trainer

RESULTS = ResultSet(
    "label-quality",
    pa.schema(
        {
            "dataset": pa.string(),
            "noise": pa.string(),
            "seed": pa.int64(),
            "epochs": pa.int64(),
            "rows_train": pa.int64(),
            "wrong_share": pa.float64(),
            "score": pa.string(),
            "auc": pa.float64(),  # null where no label is wrong
            "estimate": pa.float64(),
            **machine.COLUMNS,
        }
    ),
)
KEPT = 0.7
"""What the job keeps whose suspects are ranked."""

Probabilities = Float[np.ndarray, "samples classes"]
Labels = Int64[np.ndarray, " samples"]
Suspicion = Float[np.ndarray, " samples"]


# --- what a job measures ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MeasuredJob:
    """The last round of a job, and what every row's classes were given whenever it was measured."""

    samples: Samples
    final: Round
    measured: Sequence[Probabilities]

    @property
    def suspicion(self) -> Suspicion:
        """What the job itself ranks its suspects by."""
        found = suspicion(self.final, self.samples)
        assert found is not None, "the loop measures"  # noqa: S101
        return found

    @property
    def last(self) -> Probabilities:
        """The probabilities at the last measurement."""
        return self.measured[-1]

    @property
    def mean(self) -> Probabilities:
        """Their mean over all measurements."""
        return np.mean(self.measured, axis=0)


def run_job(data: SettingData) -> MeasuredJob:
    """Run TED's loop on the samples, noting the probabilities behind every measurement."""
    proxy, measured, done = resolve_proxy(data.proxy), [], []
    samples = prepare_samples(data.train, proxy, device="cpu")
    loop = Loop(samples, PruningPlan(keep_ratio=KEPT, seed=data.seed), proxy, Execution())
    for number in loop.remaining_rounds:
        loop.train(number)
        if is_measured(number, rounds=loop.rounds):
            loop.measure()
            measured.append(out_of_sample_probabilities(loop.twins))
        done.append(loop.retain(number))
    return MeasuredJob(samples, done[-1], measured)


def out_of_sample_probabilities(twins: Twins) -> Probabilities:
    """Return the probability of every class of every sample, by the twin that has not trained on it."""
    parts = [_probabilities(trainer, twins, np.flatnonzero(fold)) for trainer, fold in _pairs(twins)]
    joined = np.empty((len(twins.folds[0]), parts[0].shape[1]), np.float64)
    for part, (_, fold) in zip(parts, _pairs(twins), strict=True):
        joined[fold] = part / part.sum(1, keepdims=True)  # cleanlab checks that they add up to 1
    return joined


def _pairs(twins: Twins) -> Iterator[tuple[Trainer, np.ndarray]]:
    return zip(twins.trainers.values(), twins.folds, strict=True)


@torch.inference_mode()
def _probabilities(trainer: Trainer, twins: Twins, rows: np.ndarray) -> np.ndarray:
    trainer.model.eval()
    softmax = partial(torch.softmax, dim=1)
    return np.asarray(measure_rows(twins.table, rows, lambda inputs, _: softmax(trainer.outputs(inputs))), np.float64)


# --- how suspicious each label is -------------------------------------------------------------------------------------


def cleanlab_score(method: str, labels: Labels, probabilities: Probabilities) -> Suspicion:
    """Return one minus cleanlab's score of each label's quality, by this method of it."""
    from cleanlab.rank import get_label_quality_scores  # noqa: PLC0415 - installed only for this

    return 1 - np.asarray(get_label_quality_scores(labels, probabilities, method=method, adjust_pred_probs=False))


CLEANLAB = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
OURS: Mapping[str, Callable[[Labels, MeasuredJob], Suspicion]] = {
    "ted: suspicion, last": lambda _, job: job.suspicion,
    "ted: -margin, mean": lambda _, job: -np.asarray(job.final.margin, np.float64),
}
THEIRS: Mapping[str, Callable[[Labels, MeasuredJob], Suspicion]] = {
    f"cleanlab: {method}, {moment}": partial(
        lambda labels, job, *, method, moment: cleanlab_score(method, labels, getattr(job, moment)),
        method=method,
        moment=moment,
    )
    for moment in ("last", "mean")
    for method in CLEANLAB
}
SUSPICIONS = {**OURS, **THEIRS}
"""(labels, job) → the higher, the likelier the label is wrong."""


def estimates(labels: Labels, job: MeasuredJob) -> Mapping[str, float]:
    """Return the shares of wrong labels that TED and cleanlab estimate."""
    from cleanlab.count import num_label_issues  # noqa: PLC0415 - installed only for this

    assert job.final.noise is not None, "the loop measures"  # noqa: S101
    theirs = {moment: num_label_issues(labels, getattr(job, moment)) / len(labels) for moment in ("last", "mean")}
    return {"ted": job.final.noise.share} | {f"cleanlab, {moment}": share for moment, share in theirs.items()}


def _estimate_of(score: str, found: Mapping[str, float]) -> float:
    """Return the estimate that goes with a score: of the same package, and the same measurements."""
    package, _, rest = score.partition(":")
    return found["ted"] if package == "ted" else found[f"cleanlab, {rest.rsplit(' ', 1)[-1]}"]


# --- the experiment ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class QualityTask:
    """A setting without noise, and the kind of wrong labels that every score looks for in one job."""

    setting: Setting
    noise: str

    def file(self, results: Path) -> Path:
        """Return the path of its rows once it is finished."""
        return RESULTS.path(results, f"{self.setting.name}-{self.noise}.parquet")


def measure_scores(task: QualityTask, say: workers.Say, *, folders: Folders) -> None:
    """Run the job, measure every score and write its row."""
    clean = load_setting(task.setting, folders)
    train, wrong = with_wrong_labels(clean.train, task.noise, seed=task.setting.seed)
    job = run_job(replace(clean, train=train, flipped=wrong))
    rows = list(measured_rows(job, wrong))
    shared = task.setting.columns | {"noise": task.noise} | clean.columns | machine.versions()
    RESULTS.write(task.file(folders.results), [shared | row for row in rows])
    say(f"{task.file(folders.results).stem} estimated {rows[0]['estimate']:.3f} of {rows[0]['wrong_share']:.3f}")


def measured_rows(job: MeasuredJob, wrong: np.ndarray) -> Iterator[dict[str, Any]]:
    """Yield what every score achieves."""
    labels = np.asarray(job.samples.labels, np.int64)
    found = estimates(labels, job)
    for name, score in SUSPICIONS.items():
        area = float(roc_auc_score(wrong, score(labels, job))) if wrong.any() else None
        yield {"score": name, "auc": area, "estimate": _estimate_of(name, found), "wrong_share": float(wrong.mean())}


def section(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a table of estimated shares and areas, and one of the areas of every score, by datasets and noises."""
    settings = _settings(rows)
    yield "## Labels that look wrong"
    yield _explanation(rows)
    estimates = [f"estimate of {name}" for name in ESTIMATED_WITH]
    head = ["data, wrong labels", "wrong, %", *estimates, "AUC: ted", "AUC: cleanlab's best"]
    yield table(head, ([name, *_estimates(chosen), *_best_areas(chosen)] for name, chosen in settings.items()))
    ranked = {name: chosen for name, chosen in settings.items() if _values(chosen, "auc")}
    areas = table(["AUC", *SUSPICIONS], ([name, *_areas(chosen)] for name, chosen in ranked.items()))
    yield collapsible("Every score's area", areas)


def _settings(rows: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Group the rows by dataset and kind of wrong labels."""
    groups = {
        f"{dataset}, {noise}": [row for row in rows if (row["dataset"], row["noise"]) == (dataset, noise)]
        for dataset, noise in product(BENCHMARKS, KINDS)
    }
    return {name: chosen for name, chosen in groups.items() if chosen}


def _explanation(rows: Sequence[dict[str, Any]]) -> str:
    seeds, most = len({row["seed"] for row in rows}), max(row["rows_train"] for row in rows)
    return (
        f"The share of wrong labels that a job estimates which keeps {POINTS * KEPT:g} % of at most {most:,} training "
        f"rows, in percent, mean over {seeds} seeds (in bold if it is off by more than {TOLERANCE:g} points), and the "
        "area under the ROC curve of the ranking by suspicion: how often a wrong label looks more suspicious than a "
        "right one. cleanlab is given the same out-of-sample probabilities, those of the last measurement or their "
        "mean; which of its scores is the best is known only afterwards."
    )


def _estimates(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the true share and those estimated, in percent."""
    true = mean(_values(rows, "wrong_share"))
    yield f"{POINTS * true:.1f}"
    for score in ESTIMATED_WITH.values():
        estimate = mean(_values(rows, "estimate", score))
        text = f"{POINTS * estimate:.1f}"
        yield f"**{text}**" if POINTS * abs(estimate - true) > TOLERANCE else text


def _best_areas(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the mean area of the service's own ranking and of the best of cleanlab's."""
    means = {score: mean(areas) for score in SUSPICIONS if (areas := _values(rows, "auc", score))}
    ours, best = (
        next(iter(OURS)),
        max((score for score in means if score in THEIRS), key=means.__getitem__, default=None),
    )
    return [f"{means[ours]:.3f}", f"{means[best]:.3f} ({best.removeprefix('cleanlab: ')})"] if best else ["-", "-"]


def _areas(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [mean_and_deviation(_values(rows, "auc", score)) for score in SUSPICIONS]


def _values(rows: Sequence[Mapping[str, Any]], column: str, *score: str) -> list[float]:
    """Return the column of every seed that has it, of the service's own score if none is named."""
    (name,) = score or (next(iter(OURS)),)
    return [row[column] for row in rows if row["score"] == name and row[column] is not None]


POINTS, TOLERANCE = 100, 4
ESTIMATED_WITH = {
    "ted": next(iter(OURS)),
    "cleanlab, last": "cleanlab: self_confidence, last",
    "cleanlab, mean": "cleanlab: self_confidence, mean",
}
"""Whose estimate of the share, and the score beside which it is stored."""


def main() -> None:
    """Run, and fail if anything is left unfinished."""
    options = command.experiment_options(__doc__)
    options.add_argument("--seeds", type=int, default=3, help="how many, counted from 0")
    options.add_argument("--noise", nargs="+", choices=list(KINDS), default=["symmetric-20", "pairs-20"])
    if find_spec("cleanlab") is None:
        options.error("cleanlab is not installed: pip install cleanlab")
    arguments, folders = command.parse(options, "benchmarks.label_quality")
    settings = command.settings(arguments, noise=[0.0], seeds=range(arguments.seeds))
    tasks = [QualityTask(setting, noise) for setting, noise in product(settings, arguments.noise)]
    workers.run(unfinished(tasks, folders.results), partial(measure_scores, folders=folders), jobs=arguments.jobs)
    sys.exit(bool(unfinished(tasks, folders.results)))


if __name__ == "__main__":
    main()
