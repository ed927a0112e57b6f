"""Numbers → Markdown."""

from collections.abc import Iterable, Sequence
from statistics import mean, stdev

from benchmarks.verdicts import Interval

NOTHING = "-"
PERCENT = 100


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table: the first column to the left, the others to the right."""
    lines = [list(head), ["---", *["---:"] * (len(head) - 1)], *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def folded(title: str, text: str) -> str:
    """Text that a reader has to unfold."""
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def percent(values: Sequence[float], *, of: int | None = None) -> str:
    """Mean ± standard deviation of shares, in percent; how many there are where ``of`` says there should be more."""
    if not values:
        return NOTHING
    spread = f" ± {PERCENT * stdev(values):.1f}" if len(values) > 1 else ""
    return f"{PERCENT * mean(values):.1f}{spread}" + (f" ({len(values)})" if of and len(values) < of else "")


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation."""
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def points(interval: Interval | None) -> str:
    """A mean difference of shares and its interval, in percentage points."""
    if interval is None:
        return NOTHING
    low, high = (f"{PERCENT * end:+.1f}" for end in (interval.low, interval.high))
    return f"{PERCENT * interval.mean:+.2f} [{low}, {high}]"


def number(values: Sequence[float], digits: int = 2) -> str:
    """The mean."""
    return f"{mean(values):.{digits}f}" if values else NOTHING
