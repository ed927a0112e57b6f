"""What the page says in words and tables, drawn from the report."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.report_page.colours import colour, drawing_order
from ted_core.results.report import Report, ReportClass, ReportGain
from ted_core.selection.distance import turning_point

ALL_CLASSES, ROWS_AT_EACH_END = 40, 15
"""So many classes are all shown; of more, so many that kept the least and as many that kept the most."""


@dataclass(frozen=True)
class ReasonShare:
    """The part of the rows with one reason; ``start`` and ``share`` are fractions of all rows."""

    reason: str
    colour: str
    rows: int
    start: float
    share: float


def reason_shares(report: Report) -> tuple[ReasonShare, ...]:
    """The rows by reason, the retained ones first."""
    found, start = [], 0.0
    for reason in sorted(report.reasons, key=drawing_order):
        rows, share = report.reasons[reason], report.reasons[reason] / report.dataset.rows
        found.append(ReasonShare(reason, colour(reason), rows, start, share))
        start += share
    return tuple(found)


@dataclass(frozen=True)
class ClassRow:
    """One class; the lengths are fractions of the largest class that is shown."""

    facts: ReportClass
    before: float
    after: float
    proportional: float
    """Where ``after`` would end had every class kept the same share."""


@dataclass(frozen=True)
class ClassTable:
    """The classes that are shown."""

    groups: tuple[tuple[ClassRow, ...], ...]
    count: int
    omitted: int
    emptied: int
    """Classes of which nothing was retained."""
    shared: bool
    """Whether rows have several classes, or none."""


def classes(report: Report) -> ClassTable:
    """All classes where they are few; of many those that kept the smallest and the largest shares."""
    found = report.classes
    groups: Sequence[Sequence[ReportClass]] = [found]
    if len(found) > ALL_CLASSES:
        ranked = sorted((one for one in found if one.before), key=lambda one: (one.kept_share, -one.before))
        groups = [ranked[:ROWS_AT_EACH_END], ranked[-ROWS_AT_EACH_END:]]
    shown = sum(map(len, groups))
    largest = max((one.before for group in groups for one in group), default=1) or 1
    return ClassTable(
        groups=tuple(tuple(_class_row(one, largest, report.achieved_ratio) for one in group) for group in groups),
        count=len(found),
        omitted=len(found) - shown,
        emptied=sum(1 for one in found if one.before and not one.after),
        shared=sum(one.before for one in found) != report.dataset.rows - report.dataset.undecodable,
    )


def _class_row(one: ReportClass, largest: int, ratio: float) -> ClassRow:
    return ClassRow(one, one.before / largest, one.after / largest, ratio * one.before / largest)


def gains(report: Report) -> tuple[tuple[str, ReportGain], ...]:
    """What training adds on which rows; nothing where no language model answered before it."""
    found = report.gains
    named = {"all rows": found.all, "retained": found.kept, "pruned": found.pruned} if found else {}
    return tuple((name, one) for name, one in named.items() if one)


def redundancy_threshold(report: Report) -> float | None:
    """The internal generalization from which on a pruned row is called redundant; None where no q ranked the rows."""
    return None if report.q.value is None else turning_point(report.q.value)


@dataclass(frozen=True)
class CostBar:
    """One amount of training; ``length`` is a fraction of the longest."""

    name: str
    colour: str
    runs: float
    """In full training runs."""
    length: float


def costs(report: Report) -> tuple[CostBar, ...]:
    """The selection's training beside a run on all rows and one on the retained rows, epochs being equal."""
    cost = report.cost
    found = {"This selection": ("kept", cost.of_one_full_run)}
    if cost.rows_trained_choosing:
        found |= {"… of which choosing q": ("well", cost.rows_trained_choosing / cost.full_run_rows)}
    found |= {"One run on all rows": ("other", 1.0), "One run on the retained rows": ("other", report.achieved_ratio)}
    longest = max(runs for _, runs in found.values())
    return tuple(CostBar(name, colour, runs, runs / longest) for name, (colour, runs) in found.items())


def payback(report: Report) -> float | None:
    """After how many runs on the retained rows the selection has saved what it took; None where it took nothing."""
    saved = 1 - report.achieved_ratio
    return report.cost.of_one_full_run / saved if report.cost.rows_trained and saved > 0 else None
