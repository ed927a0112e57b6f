"""The words and tables of the page, computed from the report."""

from collections.abc import Sequence
from dataclasses import dataclass

from ted_core.results.report import Report, ReportClass, ReportGain
from ted_core.results.report_page.colours import colour, drawing_order
from ted_core.results.report_page.sentences import has_learned
from ted_core.selection.distance import turning_point

ALL_CLASSES, ROWS_AT_EACH_END = 40, 15
"""Up to so many classes are all shown; of more, so many that kept the least and as many that kept the most."""


@dataclass(frozen=True)
class AccuracyBar:
    """One accuracy, as a share of 1."""

    name: str
    colour: str
    accuracy: float


@dataclass(frozen=True)
class ProxyTile:
    """How much the proxy has learned, beside what needs no model."""

    bars: tuple[AccuracyBar, ...]
    alarming: bool
    verdict: str

    @property
    def accuracy(self) -> float:
        """The proxy's own."""
        return self.bars[0].accuracy


def proxy_tile(report: Report) -> ProxyTile | None:
    """Return what the proxy has learned; None if it was not measured and nothing says that it is too little."""
    facts, learned = report.proxy_accuracy, has_learned(report)
    if facts is None:
        return None if learned else ProxyTile((), alarming=True, verdict=NOT_LEARNED)
    beside = {
        "most frequent": facts.majority_class,
        "chance": facts.chance,
        "before training": facts.base_model,
    }
    bars = (
        AccuracyBar("proxy", "kept" if learned else "alarm", facts.out_of_sample),
        *(AccuracyBar(name, "other", accuracy) for name, accuracy in beside.items() if accuracy is not None),
    )
    what = "of the answers' tokens, in rows" if report.dataset.task == "causal-lm" else "on rows"
    return ProxyTile(bars, alarming=not learned, verdict=f"{what} that it did not train on" if learned else NOT_LEARNED)


NOT_LEARNED = "The proxy has not learned: do not rely on this selection."


@dataclass(frozen=True)
class ReasonShare:
    """The rows with one reason; ``start`` and ``share`` are fractions of all rows."""

    reason: str
    colour: str
    rows: int
    start: float
    share: float


def reason_shares(report: Report) -> tuple[ReasonShare, ...]:
    """Return the rows by reason, retained ones first."""
    shares, start = [], 0.0
    for reason in sorted(report.reasons, key=drawing_order):
        rows, share = report.reasons[reason], report.reasons[reason] / report.dataset.rows
        shares.append(ReasonShare(reason, colour(reason), rows, start, share))
        start += share
    return tuple(shares)


@dataclass(frozen=True)
class ClassRow:
    """One class; the lengths are fractions of the largest class that is shown."""

    facts: ReportClass
    before: float
    after: float
    proportional: float
    """Where ``after`` would end if every class had kept the same share."""


@dataclass(frozen=True)
class ClassTable:
    """The classes that are shown."""

    groups: tuple[tuple[ClassRow, ...], ...]
    count: int
    omitted: int
    emptied: int
    """Classes of which nothing was retained."""
    shared: bool
    """Whether some rows have several classes, or none."""


def classes(report: Report) -> ClassTable:
    """Return all classes if there are few; of many, those that kept the smallest and the largest shares."""
    groups: Sequence[Sequence[ReportClass]] = [report.classes]
    if len(report.classes) > ALL_CLASSES:
        ranked = sorted((cls for cls in report.classes if cls.before), key=lambda cls: (cls.kept_share, -cls.before))
        groups = [ranked[:ROWS_AT_EACH_END], ranked[-ROWS_AT_EACH_END:]]
    largest = max((cls.before for group in groups for cls in group), default=1) or 1
    return ClassTable(
        groups=tuple(tuple(_class_row(cls, largest, report.achieved_ratio) for cls in group) for group in groups),
        count=len(report.classes),
        omitted=len(report.classes) - sum(map(len, groups)),
        emptied=sum(1 for cls in report.classes if cls.before and not cls.after),
        shared=sum(cls.before for cls in report.classes) != report.dataset.rows - report.dataset.undecodable,
    )


def _class_row(cls: ReportClass, largest: int, ratio: float) -> ClassRow:
    return ClassRow(cls, cls.before / largest, cls.after / largest, ratio * cls.before / largest)


def gains(report: Report) -> tuple[tuple[str, ReportGain], ...]:
    """Return what training adds on which rows; empty if no language model was measured before training."""
    if report.gains is None:
        return ()
    groups = {"all rows": report.gains.all, "retained": report.gains.kept, "pruned": report.gains.pruned}
    return tuple((name, gain) for name, gain in groups.items() if gain)


def redundancy_threshold(report: Report) -> float | None:
    """Return the internal generalization above which a pruned row is called redundant; None if none is called so."""
    return turning_point(report.q.value) if report.q.value is not None and has_learned(report) else None


@dataclass(frozen=True)
class CostBar:
    """One amount of training; ``length`` is a fraction of the longest."""

    name: str
    colour: str
    runs: float
    """In full training runs."""
    length: float


def costs(report: Report) -> tuple[CostBar, ...]:
    """Compare the selection's training with a run on all rows and one on the retained rows, of as many epochs."""
    cost = report.cost
    runs = {"This selection": ("kept", cost.of_one_full_run)}
    if cost.rows_trained_choosing:
        purpose = "guarding" if report.guard else "choosing q" if report.q.candidates else "choosing the ratio"
        runs |= {f"… of which {purpose}": ("well", cost.rows_trained_choosing / cost.full_run_rows)}
    runs |= {"One run on all rows": ("other", 1.0), "One run on the retained rows": ("other", report.achieved_ratio)}
    longest = max(length for _, length in runs.values())
    return tuple(CostBar(name, colour, length, length / longest) for name, (colour, length) in runs.items())


def payback(report: Report) -> float | None:
    """Return how many runs on the retained rows save what the selection cost; None if it cost nothing."""
    saved = 1 - report.achieved_ratio
    return report.cost.of_one_full_run / saved if report.cost.rows_trained and saved > 0 else None
