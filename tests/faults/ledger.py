"""The verdicts of a run, printed as one table at its end."""

from dataclasses import dataclass, field

from tests.faults.verdict import Verdict

COLUMNS = (
    "{fault:<64} {database:<10} {jobs:>6} {lost:>5} {duplicated:>10} {stale:>5} {untold:>6} {recovered:>9} {seconds:>8}"
    "  {ends}"
)
NAMES = ("fault", "database", "jobs", "lost", "duplicated", "stale", "untold", "recovered", "seconds")
HEADINGS = {name: name for name in NAMES}


@dataclass
class Ledger:
    """Lines in the order in which the faults were tried."""

    lines: list[str] = field(default_factory=list)

    def note(self, fault: str, database: str, verdict: Verdict) -> None:
        """Add a fault's verdict."""
        ends = ", ".join(f"{count} {end}" for end, count in sorted(verdict.ends.items()))
        self.lines.append(COLUMNS.format(fault=fault, database=database, **vars(verdict) | {"ends": ends}))

    @property
    def table(self) -> list[str]:
        """Headings and lines."""
        return [COLUMNS.format(**HEADINGS, ends="ended as"), *self.lines]


LEDGER = Ledger()
