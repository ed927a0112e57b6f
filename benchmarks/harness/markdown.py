"""Write numbers as Markdown."""

from collections.abc import Iterable, Sequence
from statistics import mean, stdev

from ted_core.evaluation.intervals import Interval

NOTHING = "-"
PERCENT = 100


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with the first column aligned left and the others right."""
    lines = [list(head), ["---", *["---:"] * (len(head) - 1)], *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def collapsible(title: str, text: str) -> str:
    """Return text that a reader has to unfold."""
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def percent(values: Sequence[float], *, of: int | None = None) -> str:
    """Return mean ± standard deviation of shares, in percent; with their count if it is less than ``of``."""
    if not values:
        return NOTHING
    deviation = f" ± {PERCENT * stdev(values):.1f}" if len(values) > 1 else ""
    return f"{PERCENT * mean(values):.1f}{deviation}" + (f" ({len(values)})" if of and len(values) < of else "")


def mean_and_deviation(values: Sequence[float]) -> str:
    """Return mean ± standard deviation."""
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def points(interval: Interval | None) -> str:
    """Return a mean difference of shares and its interval, in percentage points."""
    if interval is None:
        return NOTHING
    low, high = (f"{PERCENT * end:+.1f}" for end in (interval.low, interval.high))
    return f"{PERCENT * interval.mean:+.2f} [{low}, {high}]"


def signed(value: float) -> str:
    """Return a number with one decimal and its sign, which zero has not."""
    text = f"{value:+.1f}"
    return "0.0" if float(text) == 0 else text


def number(values: Sequence[float], digits: int = 2) -> str:
    """Return the mean."""
    return f"{mean(values):.{digits}f}" if values else NOTHING
