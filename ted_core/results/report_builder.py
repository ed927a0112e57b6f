"""Makes the report of a job from its rounds, its decisions and its manifest's metadata."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int64

from ted_core.results.decisions import Decisions, Reason
from ted_core.results.provenance import CostFacts, DatasetFacts, ManifestMetadata
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
from ted_core.selection.rounds import Round

BINS, EXAMPLES = 40, 10
FILE_NAME = "report.json"


class RoundLog:
    """What the report says of each round, noted as it ends: no round needs to be held for it."""

    def __init__(
        self, rounds: Iterable[ReportRound] = (), *, retained: Bool[np.ndarray, " samples"] | None = None
    ) -> None:
        """``rounds``: those before, after the last of which these samples were retained."""
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
    """The path of the report in ``folder``, as JSON."""
    path = folder / FILE_NAME
    path.write_text(report.model_dump_json(), encoding="utf-8")
    return path


def build_report(decisions: Decisions, log: RoundLog, *, metadata: ManifestMetadata, seconds: PhaseSeconds) -> Report:
    """The report of the manifest whose metadata this is."""
    alike = {"job_id", "created_at", "plan", "achieved_ratio", "rows_kept", "q", "proxy"}
    alike |= {"device", "determinism", "seed", "versions"}
    return Report(
        **{name: getattr(metadata, name) for name in alike},
        dataset=_dataset(metadata.dataset, decisions),
        method=metadata.plan["method"],
        keep_ratio=metadata.plan["keep_ratio"],
        reasons=_reasons(decisions),
        classes=tuple(_classes(decisions)),
        scores=_histogram(decisions.score, decisions),
        internal_generalization=_histogram(decisions.internal_generalization.clip(0, 1), decisions, bounds=(0.0, 1.0)),
        gains=_gains(decisions),
        rounds=tuple(log.rounds),
        cost=_cost(metadata.cost, seconds),
        examples=_examples(decisions),
    )


def _dataset(facts: DatasetFacts, decisions: Decisions) -> ReportDataset:
    undecodable = int(np.count_nonzero(decisions.reason == Reason.UNDECODABLE))
    named = facts.model_dump(include={"uri", "format", "task", "rows", "fingerprint"})
    return ReportDataset(**named, undecodable=undecodable)


def _cost(cost: CostFacts, seconds: PhaseSeconds) -> ReportCost:
    counted = cost.model_dump(exclude={"seconds"})
    return ReportCost(**counted, of_one_full_run=cost.of_one_full_run, seconds=seconds)


def _reasons(decisions: Decisions) -> dict[str, int]:
    """The rows of each reason that occurs, in the reasons' own order."""
    counts = np.bincount(decisions.reason, minlength=len(Reason))
    return {reason.phrase: int(counts[reason]) for reason in Reason if counts[reason]}


def _classes(decisions: Decisions) -> Iterator[ReportClass]:
    """Every class, counted in one pass however many there are."""
    rows, labels = decisions.memberships
    found, classes = decisions.internal_generalization[rows], len(decisions.classes)
    measured = np.isfinite(found)
    before, after, known = (
        np.bincount(chosen, minlength=classes) for chosen in (labels, labels[decisions.kept[rows]], labels[measured])
    )
    performance = np.bincount(labels[measured], weights=found[measured], minlength=classes)
    for code, name in enumerate(decisions.classes):
        yield ReportClass(
            name=name,
            before=int(before[code]),
            after=int(after[code]),
            kept_share=after[code] / before[code] if before[code] else None,
            internal_generalization=performance[code] / known[code] if known[code] else None,
        )


def _gains(decisions: Decisions) -> ReportGains | None:
    """What the twins know more than the pretrained model; None where there is none that answers."""
    base, trained = decisions.base_performance, decisions.internal_generalization
    if base is None:
        return None
    measured = np.isfinite(base) & np.isfinite(trained)
    fates = {"all": measured, "kept": measured & decisions.kept, "pruned": measured & ~decisions.kept}
    return ReportGains(**{name: _gain(base[rows], trained[rows]) for name, rows in fates.items()})


def _gain(base: Float32[np.ndarray, " some"], trained: Float32[np.ndarray, " some"]) -> ReportGain | None:
    if not len(base):
        return None
    before, after = (float(performance.mean(dtype=np.float64)) for performance in (base, trained))
    return ReportGain(rows=len(base), base=before, internal_generalization=after, gain=after - before)


def _histogram(
    values: Float32[np.ndarray, " rows"], decisions: Decisions, *, bounds: tuple[float, float] | None = None
) -> Histogram:
    """The finite values of the rows, in equal bins over ``bounds`` or over all there are."""
    measured = np.isfinite(values)
    found, reason, kept = values[measured].astype(np.float64), decisions.reason[measured], decisions.kept[measured]
    if not len(found):
        return Histogram()
    span = bounds or _span(found)

    def counts(chosen: Bool[np.ndarray, " measured"]) -> tuple[int, ...]:
        return tuple(np.histogram(found[chosen], bins=BINS, range=span)[0].tolist())

    return Histogram(
        edges=tuple(np.histogram_bin_edges(found[:0], bins=BINS, range=span).tolist()),
        kept=counts(kept),
        pruned=counts(~kept),
        reasons={one.phrase: counts(reason == one) for one in Reason if (reason == one).any()},
    )


def _span(found: np.ndarray) -> tuple[float, float]:
    """From the least to the greatest, with room for bins where all are next to equal."""
    low, high = float(found.min()), float(found.max())
    room = 1e-6 * max(abs(low), abs(high), 1e-6)
    return (low, high) if high - low > room else (low - room, high + room)


def _examples(decisions: Decisions) -> ReportExamples:
    performance, everywhere = decisions.internal_generalization, np.ones_like(decisions.kept)
    redundant = decisions.reason == Reason.WELL_GENERALIZED
    return ReportExamples(
        kept=_described(decisions, _smallest(-decisions.score, decisions.kept)),
        well_generalized=_described(decisions, _smallest(-performance, redundant)),
        poorly_generalized=_described(decisions, _smallest(performance, everywhere)),
    )


def _smallest(values: Float32[np.ndarray, " rows"], among: Bool[np.ndarray, " rows"]) -> Int64[np.ndarray, " chosen"]:
    """The rows with the smallest values, at most EXAMPLES of them; ties go to the earlier row."""
    rows = np.flatnonzero(among & np.isfinite(values))
    if len(rows) > EXAMPLES:  # all rows are not worth sorting for ten of them
        limit = np.partition(values[rows], EXAMPLES - 1)[EXAMPLES - 1]
        rows = np.concatenate([rows[values[rows] < limit], rows[values[rows] == limit][:EXAMPLES]])
    return rows[np.argsort(values[rows], kind="stable")][:EXAMPLES]


def _described(decisions: Decisions, rows: Int64[np.ndarray, " chosen"]) -> tuple[ReportExample, ...]:
    return tuple(_example(decisions, int(row)) for row in rows)


def _example(decisions: Decisions, row: int) -> ReportExample:
    label = int(decisions.label[row])
    return ReportExample(
        row_index=row,
        sample_key=None if decisions.sample_key is None else decisions.sample_key[row].as_py(),
        label=decisions.classes[label] if label >= 0 else None,
        kept=bool(decisions.kept[row]),
        internal_generalization=_finite(decisions.internal_generalization[row]),
        score=_finite(decisions.score[row]),
    )


def _finite(value: float | np.floating | None) -> float | None:
    """The number, where it is one."""
    return float(value) if value is not None and np.isfinite(value) else None


def _mean(values: Float32[np.ndarray, " samples"]) -> float | None:
    """The mean of what is measured; None where nothing is."""
    finite = values[np.isfinite(values)]
    return float(finite.mean(dtype=np.float64)) if len(finite) else None
