"""The outcomes of a run, printed as one table at its end."""

from dataclasses import dataclass, field

from tests.faults.outcome import Outcome

COLUMNS = (
    "{fault:<64} {database:<10} {jobs:>6} {lost:>5} {duplicated:>10} {stale:>5} {missed:>6} {recovered:>9} {seconds:>8}"
    "  {ends}"
)
NAMES = ("fault", "database", "jobs", "lost", "duplicated", "stale", "missed", "recovered", "seconds")
HEADINGS = {name: name for name in NAMES}


@dataclass
class ResultsTable:
    """Lines in the order in which the faults were tried."""

    lines: list[str] = field(default_factory=list)

    def add(self, fault: str, database: str, outcome: Outcome) -> None:
        """Add a fault's outcome."""
        ends = ", ".join(f"{count} {end}" for end, count in sorted(outcome.ends.items()))
        self.lines.append(COLUMNS.format(fault=fault, database=database, **vars(outcome) | {"ends": ends}))

    @property
    def text(self) -> list[str]:
        """Headings and lines; nothing without lines."""
        return [COLUMNS.format(**HEADINGS, ends="ended as"), *self.lines] if self.lines else []


@dataclass
class NeighbourTable:
    """What one tenant had to wait for while another attacked."""

    lines: list[str] = field(default_factory=list)

    def add(self, attack: str, database: str, **figures: str) -> None:
        """Add what was measured beside an attack."""
        self.lines.append(
            f"{attack:<12} {database:<10} {', '.join(f'{name} {text}' for name, text in figures.items())}"
        )


RESULTS_TABLE, NEIGHBOURS = ResultsTable(), NeighbourTable()
