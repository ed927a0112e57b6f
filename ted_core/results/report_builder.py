"""Builds the report of a job from its rounds, its decisions and its manifest's metadata."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int64

from ted_core.datasets.samples import InputColumns
from ted_core.results.decisions import Decisions, Reason
from ted_core.results.guard_report import guard_report
from ted_core.results.printable import printable
from ted_core.results.provenance import CostFacts, DatasetFacts, ManifestMetadata, ProxyAccuracy
from ted_core.results.proxy_accuracy import is_believed
from ted_core.results.report import (
    Histogram,
    PhaseSeconds,
    Report,
    ReportClass,
    ReportCost,
    ReportDataset,
    ReportExample,
    ReportExamples,
    ReportGain,
    ReportGains,
    ReportRound,
)
from ted_core.results.suspects.listing import lowest, suspect_rows, taken_for
from ted_core.selection.rounds import Round

BINS, EXAMPLES = 40, 10
MOST_COLUMNS, LONGEST_NAME, LONGEST_REASON = 100, 100, 200
"""Columns that are named, and how many characters of them."""
FILE_NAME = "report.json"
NOT_TOLD = InputColumns()


class RoundLog:
    """What the report says about each round, recorded when it ends, so that no round has to be kept."""

    def __init__(
        self, rounds: Iterable[ReportRound] = (), *, retained: Bool[np.ndarray, " samples"] | None = None
    ) -> None:
        """``rounds`` are earlier ones; ``retained`` are the samples that the last of them retained."""
        self.rounds, self._before = list(rounds), retained

    def note(self, done: Round) -> None:
        """Add a round that has just ended."""
        came_back = done.retained & ~(done.retained if self._before is None else self._before)
        self._before = done.retained
        measured = done.samples_measured > 0
        self.rounds.append(
            ReportRound(
                round=done.number,
                retained=int(np.count_nonzero(done.retained)),
                returned=int(np.count_nonzero(came_back)),
                train_loss=_finite(done.train_loss),
                internal_generalization=done.mean_internal_generalization if measured else None,
                internal_generalization_all=_mean(done.internal_generalization) if measured else None,
                rows_trained=done.samples_trained,
            )
        )


def write_report(folder: Path, report: Report) -> Path:
    """Write the report to ``folder`` as JSON and return its path."""
    path = folder / FILE_NAME
    path.write_text(report.model_dump_json(), encoding="utf-8")
    return path


def build_report(
    decisions: Decisions,
    log: RoundLog,
    *,
    metadata: ManifestMetadata,
    seconds: PhaseSeconds,
    examples: ReportExamples | None = None,
    columns: InputColumns = NOT_TOLD,
) -> Report:
    """Build the report of the manifest with this metadata.

    ``examples`` are ``choose_examples``' rows, perhaps with samples; ``columns`` what the model saw.
    """
    copied = {"job_id", "created_at", "plan", "achieved_ratio", "rows_kept", "q", "proxy", "proxy_accuracy"}
    copied |= {"device", "owners", "determinism", "seed", "versions", "warnings", "label_noise"}
    return Report(
        **{name: getattr(metadata, name) for name in copied},
        dataset=_dataset(metadata.dataset, decisions, columns),
        method=metadata.plan["method"],
        keep_ratio=metadata.asked_ratio,
        keep_ratio_choice=metadata.keep_ratio_choice,
        reasons=_reasons(decisions),
        classes=tuple(_classes(decisions)),
        scores=_histogram(decisions.score, decisions),
        internal_generalization=_histogram(decisions.internal_generalization.clip(0, 1), decisions, bounds=(0.0, 1.0)),
        margins=Histogram()
        if decisions.margin is None
        else _histogram(decisions.margin, decisions, bounds=(-1.0, 1.0)),
        gains=_gains(decisions),
        rounds=tuple(log.rounds),
        guard=guard_report(metadata.q, metadata.plan),
        cost=_cost(metadata.cost, seconds),
        examples=examples or choose_examples(decisions, metadata.proxy_accuracy),
    )


def _dataset(facts: DatasetFacts, decisions: Decisions, columns: InputColumns) -> ReportDataset:
    undecodable = int(np.count_nonzero(decisions.reason == Reason.UNDECODABLE))
    copied = facts.model_dump(include={"uri", "format", "task", "rows", "fingerprint"})
    left_out = islice(columns.left_out.items(), MOST_COLUMNS)
    return ReportDataset(
        **copied,
        undecodable=undecodable,
        inputs=tuple(printable(name, longest=LONGEST_NAME) for name in columns.names[:MOST_COLUMNS]),
        input_count=len(columns.names),
        left_out={
            printable(name, longest=LONGEST_NAME): printable(reason, longest=LONGEST_REASON)
            for name, reason in left_out
        },
        left_out_count=len(columns.left_out),
    )


def _cost(cost: CostFacts, seconds: PhaseSeconds) -> ReportCost:
    copied = cost.model_dump(exclude={"seconds"})
    return ReportCost(**copied, of_one_full_run=cost.of_one_full_run, seconds=seconds)


def _reasons(decisions: Decisions) -> dict[str, int]:
    """The rows of each reason that occurs, in the reasons' own order."""
    counts = np.bincount(decisions.reason, minlength=len(Reason))
    return {reason.phrase: int(counts[reason]) for reason in Reason if counts[reason]}


def _classes(decisions: Decisions) -> Iterator[ReportClass]:
    """Every class, counted in one pass however many there are."""
    rows, labels = decisions.memberships
    values = decisions.internal_generalization[rows]
    finite = np.isfinite(values)
    classes = len(decisions.classes)
    before, after, measured = (
        np.bincount(part, minlength=classes) for part in (labels, labels[decisions.kept[rows]], labels[finite])
    )
    performance = np.bincount(labels[finite], weights=values[finite], minlength=classes)
    for code, name in enumerate(decisions.classes):
        yield ReportClass(
            name=name,
            before=int(before[code]),
            after=int(after[code]),
            kept_share=after[code] / before[code] if before[code] else None,
            internal_generalization=performance[code] / measured[code] if measured[code] else None,
        )


def _gains(decisions: Decisions) -> ReportGains | None:
    """How much better the twins are than the pretrained model; None if there is no such model."""
    base, trained = decisions.base_performance, decisions.internal_generalization
    if base is None:
        return None
    measured = np.isfinite(base) & np.isfinite(trained)
    groups = {"all": measured, "kept": measured & decisions.kept, "pruned": measured & ~decisions.kept}
    return ReportGains(**{name: _gain(base[rows], trained[rows]) for name, rows in groups.items()})


def _gain(base: Float32[np.ndarray, " some"], trained: Float32[np.ndarray, " some"]) -> ReportGain | None:
    if not len(base):
        return None
    before, after = (float(performance.mean(dtype=np.float64)) for performance in (base, trained))
    return ReportGain(rows=len(base), base=before, internal_generalization=after, gain=after - before)


def _histogram(
    values: Float32[np.ndarray, " rows"], decisions: Decisions, *, bounds: tuple[float, float] | None = None
) -> Histogram:
    """The rows' finite values, in equal bins over ``bounds`` or from the smallest to the largest."""
    rows = np.isfinite(values)
    finite, reasons, kept = values[rows].astype(np.float64), decisions.reason[rows], decisions.kept[rows]
    if not len(finite):
        return Histogram()
    span = bounds or _span(finite)

    def counts(part: Bool[np.ndarray, " finite"]) -> tuple[int, ...]:
        return tuple(np.histogram(finite[part], bins=BINS, range=span)[0].tolist())

    return Histogram(
        edges=tuple(np.histogram_bin_edges(finite[:0], bins=BINS, range=span).tolist()),
        kept=counts(kept),
        pruned=counts(~kept),
        reasons={reason.phrase: counts(reasons == reason) for reason in Reason if (reasons == reason).any()},
    )


def _span(values: np.ndarray) -> tuple[float, float]:
    """From the smallest to the largest, widened if they are too close for bins."""
    low, high = float(values.min()), float(values.max())
    room = 1e-6 * max(abs(low), abs(high), 1e-6)
    return (low, high) if high - low > room else (low - room, high + room)


def choose_examples(decisions: Decisions, accuracy: ProxyAccuracy | None) -> ReportExamples:
    """Return the rows that are worth looking at, without what they hold.

    If the proxy has not learned, none is because of how it predicts them.
    """
    performance = decisions.internal_generalization
    every = np.full_like(decisions.kept, fill_value=is_believed(accuracy))
    redundant = decisions.reason == Reason.WELL_GENERALIZED
    return ReportExamples(
        kept=_described(decisions, lowest(-decisions.score, decisions.kept, most=EXAMPLES)),
        well_generalized=_described(decisions, lowest(-performance, redundant, most=EXAMPLES)),
        poorly_generalized=_described(decisions, lowest(performance, every, most=EXAMPLES)),
        suspects=_described(decisions, suspect_rows(decisions, accuracy, most=EXAMPLES)),
    )


def _described(decisions: Decisions, rows: Int64[np.ndarray, " chosen"]) -> tuple[ReportExample, ...]:
    return tuple(_example(decisions, int(row)) for row in rows)


def _example(decisions: Decisions, row: int) -> ReportExample:
    label, likeliest = int(decisions.label[row]), int(taken_for(decisions, np.array([row]))[0])
    return ReportExample(
        row_index=row,
        sample_key=None if decisions.sample_key is None else decisions.sample_key[row].as_py(),
        label=decisions.classes[label] if label >= 0 else None,
        kept=bool(decisions.kept[row]),
        internal_generalization=_finite(decisions.internal_generalization[row]),
        score=_finite(decisions.score[row]),
        margin=None if decisions.margin is None else _finite(decisions.margin[row]),
        likeliest=decisions.classes[likeliest] if likeliest >= 0 else None,
    )


def _finite(value: float | np.floating | None) -> float | None:
    """The number if it is finite."""
    return float(value) if value is not None and np.isfinite(value) else None


def _mean(values: Float32[np.ndarray, " samples"]) -> float | None:
    """The mean of the finite values; None if there are none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean(dtype=np.float64)) if len(finite) else None
