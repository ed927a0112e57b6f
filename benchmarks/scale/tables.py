"""What each step takes at each number of rows, how fast that grows, and which bars hold."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

from benchmarks.harness.markdown import NOTHING, table

Row = Mapping[str, Any]
GB = 10**9
LARGEST = 10**8


@dataclass(frozen=True)
class Bar:
    """What a step may take with a hundred million rows."""

    seconds: float | None = None
    bytes: float | None = None

    def holds(self, row: Row) -> bool:
        """Whether it does not take more."""
        in_time = self.seconds is None or row["wall_seconds"] <= self.seconds
        return in_time and (self.bytes is None or added_bytes(row) <= self.bytes)

    def __str__(self) -> str:
        seconds = [] if self.seconds is None else [f"{self.seconds:g} s"]
        return ", ".join(seconds + ([] if self.bytes is None else [f"{self.bytes / GB:g} GB"]))


BARS = {
    "draw": Bar(seconds=15),
    "decisions and manifest": Bar(seconds=60, bytes=4 * GB),
    "re-cut": Bar(seconds=40, bytes=1 * GB),
    "verify of indices": Bar(seconds=10),
    "retained()": Bar(bytes=0.9 * GB),
}


def added_bytes(row: Row) -> int:
    """By how much the step raised its process's anonymous memory."""
    return int(row["peak_bytes"] - row["before_bytes"])


def exponent(rows: Sequence[Row]) -> float | None:
    """How processor seconds grow with the rows, from the smallest number of rows to the largest; None for one."""
    by_size = sorted(rows, key=lambda row: row["rows"])
    least, most = by_size[0], by_size[-1]
    if least["rows"] == most["rows"]:
        return None
    return log(most["processor_seconds"] / least["processor_seconds"]) / log(most["rows"] / least["rows"])


def section(rows: Sequence[Row]) -> Iterator[str]:
    """Yield one table of each keep ratio: a line for each step and number of rows."""
    for kept in sorted({row["kept"] for row in rows}):
        own = [row for row in rows if row["kept"] == kept]
        yield f"Kept: {100 * kept:g} %"
        head = ["step", "rows", "seconds", "processor seconds", "GB added", "GB in all", "bar", "exponent"]
        yield table(head, [line for step in BARS for line in _lines(step, own)])


def _lines(step: str, rows: Sequence[Row]) -> Iterator[list[str]]:
    own = sorted((row for row in rows if row["step"] == step), key=lambda row: row["rows"])
    for row in own:
        is_last = row is own[-1]
        grows = exponent(own) if is_last else None
        bar = f"{BARS[step]}: {'holds' if BARS[step].holds(row) else 'missed'}" if row["rows"] == LARGEST else NOTHING
        yield [
            step,
            f"{row['rows']:,}",
            f"{row['wall_seconds']:.2f}",
            f"{row['processor_seconds']:.2f}",
            f"{added_bytes(row) / GB:.2f}",
            f"{row['peak_bytes'] / GB:.2f}",
            bar,
            NOTHING if grows is None else f"{grows:.2f}",
        ]
