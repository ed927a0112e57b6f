"""The page's charts, laid out so that templates only write them down. Positions are in pixels of the drawing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ted_core.results.provenance import CandidateFacts, KeepRatioChoice, RatioFacts
from ted_core.results.report import Histogram, Report, ReportRound
from ted_core.results.report_page.colours import colour, drawing_order
from ted_core.results.report_page.scales import Scale, Tick

WIDTH, LEFT, RIGHT = 480.0, 46.0, 12.0
HISTOGRAM_TOP, HISTOGRAM_BOTTOM = 12.0, 178.0
UPPER_TOP, UPPER_BOTTOM, LOWER_TOP, LOWER_BOTTOM = 12.0, 128.0, 160.0, 212.0
CANDIDATE_LEFT, CANDIDATE_RIGHT, CANDIDATE_HEIGHT, CANDIDATE_TOP = 96.0, 64.0, 26.0, 8.0
ROOM = 0.05
"""Left of the smallest keep ratio."""
GAP = 1.0
"""Between the bars of a histogram."""
FEWEST_POINTS = 2
"""That a line needs."""
FEW_ROUNDS = 12
"""Up to so many, each is marked with a dot."""


@dataclass(frozen=True)
class BarSegment:
    """The part of a bar with one reason."""

    reason: str
    colour: str
    rows: int
    top: float
    height: float


@dataclass(frozen=True)
class Bar:
    """One bin: its rows by reason, with retained rows at the bottom."""

    left: float
    width: float
    low: float
    high: float
    segments: tuple[BarSegment, ...]


@dataclass(frozen=True)
class HistogramChart:
    """Rows by score or by internal generalization."""

    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    mark: float | None
    """The position of a value to be marked with a line."""


def histogram(counts: Histogram, *, marked: float | None = None) -> HistogramChart | None:
    """Lay out a histogram; None if nothing was measured."""
    if not counts.edges:
        return None
    tallest = max(map(sum, zip(counts.kept, counts.pruned, strict=True)))
    across = Scale(counts.edges[0], counts.edges[-1], LEFT, WIDTH - RIGHT)
    up = Scale(0, tallest, HISTOGRAM_BOTTOM, HISTOGRAM_TOP)
    return HistogramChart(
        bars=tuple(
            Bar(
                left=across(low) + GAP / 2,
                width=round(across(high) - across(low) - GAP, 2),
                low=low,
                high=high,
                segments=tuple(_segments({reason: rows[bin_] for reason, rows in counts.reasons.items()}, up)),
            )
            for bin_, (low, high) in enumerate(pairwise(counts.edges))
        ),
        x_ticks=across.ticks(5),
        y_ticks=up.ticks(4),
        mark=None if marked is None else across(marked),
    )


def _segments(rows: Mapping[str, int], up: Scale) -> Iterator[BarSegment]:
    """Stack the rows of each reason on top of those before."""
    below = 0
    for reason in sorted(rows, key=drawing_order):
        top = up(below + rows[reason])
        yield BarSegment(reason, colour(reason), rows[reason], top, round(up(below) - top, 2))
        below += rows[reason]


@dataclass(frozen=True)
class Point:
    """One measurement, in the drawing and as a number."""

    x: float
    y: float
    label: str


@dataclass(frozen=True)
class RoundsChart:
    """Round by round: internal generalization above, retained rows below."""

    pruned: tuple[Point, ...]
    everything: tuple[Point, ...]
    retained: tuple[Point, ...]
    x_ticks: tuple[Tick, ...]
    upper_ticks: tuple[Tick, ...]
    lower_ticks: tuple[Tick, ...]
    dotted: bool
    """Whether there are so few points that each is marked, so that one alone can be seen."""


def rounds(log: Sequence[ReportRound], *, rows: int) -> RoundsChart | None:
    """Lay out the course of the rounds; None if no line has two points, which a table then says better."""
    values = [value for entry in log for value in (entry.internal_generalization, entry.internal_generalization_all)]
    measured = [value for value in values if value is not None]
    across = Scale(log[0].round, log[-1].round, LEFT, WIDTH - RIGHT) if log else None
    if across is None or not measured:
        return None
    upper = Scale(*_with_margin(min(measured), max(measured)), UPPER_BOTTOM, UPPER_TOP)
    lower = Scale(0, rows, LOWER_BOTTOM, LOWER_TOP)
    pruned, everything = (
        tuple(_points(log, field, across, upper))
        for field in ("internal_generalization", "internal_generalization_all")
    )
    if max(len(pruned), len(everything)) < FEWEST_POINTS:
        return None
    return RoundsChart(
        pruned=pruned,
        everything=everything,
        retained=tuple(_points(log, "retained", across, lower)),
        x_ticks=across.whole_ticks(min(len(log), 8)),
        upper_ticks=upper.ticks(4),
        lower_ticks=lower.ticks(2),
        dotted=len(log) <= FEW_ROUNDS,
    )


def _points(log: Sequence[ReportRound], field: str, across: Scale, up: Scale) -> Iterator[Point]:
    for entry in log:
        value = getattr(entry, field)
        if value is not None:
            yield Point(across(entry.round), up(value), f"round {entry.round}: {value:,.4g}")


def _with_margin(low: float, high: float) -> tuple[float, float]:
    """Add a little room at both ends, within the range of a performance."""
    room = max((high - low) * 0.1, 0.01)
    return max(low - room, 0.0), min(high + room, 1.0)


@dataclass(frozen=True)
class LossMark:
    """What one keep ratio costs: a dot with its interval."""

    facts: RatioFacts
    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class LossChart:
    """Points of accuracy lost against the fraction of the rows that is retained."""

    marks: tuple[LossMark, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    tolerance: float
    chosen: float


def losses(choice: KeepRatioChoice | None) -> LossChart | None:
    """Lay out the curve that a keep ratio was chosen from; None if the plan says the ratio."""
    if choice is None:
        return None
    ends = [end for facts in choice.curve for end in facts.interval]
    across = Scale(choice.curve[-1].keep_ratio - ROOM, 1.0, LEFT, WIDTH - RIGHT)
    up = Scale(min(0.0, *ends), max(choice.tolerance, *ends), HISTOGRAM_BOTTOM, HISTOGRAM_TOP)
    return LossChart(
        marks=tuple(
            LossMark(facts, across(facts.keep_ratio), up(facts.loss), up(facts.interval[0]), up(facts.interval[1]))
            for facts in choice.curve
        ),
        x_ticks=across.ticks(5),
        y_ticks=up.ticks(4),
        tolerance=up(choice.tolerance),
        chosen=across(choice.keep_ratio),
    )


@dataclass(frozen=True)
class CandidateMark:
    """One candidate: a dot with its error bar."""

    facts: CandidateFacts
    chosen: bool
    y: float
    at: float
    low: float
    high: float


@dataclass(frozen=True)
class CandidatesChart:
    """How a proxy trained on each candidate's rows performed on others."""

    marks: tuple[CandidateMark, ...]
    x_ticks: tuple[Tick, ...]
    chosen: float
    bottom: float


def candidates(report: Report) -> CandidatesChart | None:
    """Lay out the candidates, random rows last; None if none were tried."""
    ordered = sorted(report.q.candidates, key=lambda facts: (facts.rule == "random", facts.q or 0.0))
    if not ordered:
        return None
    ends = [facts.accuracy + sign * facts.standard_error for facts in ordered for sign in (-1, 1)]
    across = Scale(*_with_margin(min(ends), max(ends)), CANDIDATE_LEFT, WIDTH - CANDIDATE_RIGHT)
    return CandidatesChart(
        marks=tuple(
            CandidateMark(
                facts=facts,
                chosen=report.q.is_chosen(facts),
                y=CANDIDATE_TOP + CANDIDATE_HEIGHT * (row + 0.5),
                at=across(facts.accuracy),
                low=across(facts.accuracy - facts.standard_error),
                high=across(facts.accuracy + facts.standard_error),
            )
            for row, facts in enumerate(ordered)
        ),
        x_ticks=across.ticks(4),
        chosen=across(next(facts.accuracy for facts in ordered if report.q.is_chosen(facts))),
        bottom=CANDIDATE_TOP + CANDIDATE_HEIGHT * len(ordered),
    )
