"""The rows worth looking at, in groups with headings that the numbers bear out."""

from collections.abc import Iterator
from dataclasses import dataclass

from ted_core.results.report import Report, ReportExample
from ted_core.results.report_page.sentences import CONTRADICTED, has_learned

PICTURES = ("data:image/png;base64,", "data:image/jpeg;base64,")
"""The pictures that are shown. Whatever else a report may hold in their place is not."""
BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
LARGEST_PICTURE = 200_000
LONGEST_TEXT, LONGEST_TURN, LONGEST_VALUE = 600, 300, 120
MOST_TURNS, MOST_VALUES = 6, 16

MEANINGLESS = "The proxy has not learned, so this says nothing about these rows."


@dataclass(frozen=True)
class ExampleGroup:
    """Rows of one kind."""

    name: str
    """Of the group, where a style or a test needs one."""
    heading: str
    why: str
    rows: tuple[ReportExample, ...]

    @property
    def measured(self) -> bool:
        """Whether the rows have an internal generalization, or only a score."""
        return self.rows[0].internal_generalization is not None

    @property
    def by_margin(self) -> bool:
        """Whether it is their margins that make the rows suspicious."""
        return self.name == "mislabelled"

    @property
    def tells_fate(self) -> bool:
        """Whether some of the rows may have been retained and others pruned."""
        return self.name in ("suspect", "mislabelled")

    @property
    def shows_rows(self) -> bool:
        """Whether the report says what any of them holds."""
        return any(row.sample is not None for row in self.rows)


def suspects(report: Report) -> ExampleGroup | None:
    """Return the rows whose labels look wrong; None if there are none."""
    rows = report.examples.suspects
    why = "Most suspicious first; the job's list of suspects has more of them."
    return ExampleGroup("mislabelled", "Look here first", why, rows) if rows else None


def example_groups(report: Report) -> tuple[ExampleGroup, ...]:
    """Return the groups that have rows: suspect, unless ``suspects`` has better ones, redundant, kept."""
    examples = report.examples
    groups = (
        ExampleGroup("suspect", *_suspicion(report), () if examples.suspects else examples.poorly_generalized),
        ExampleGroup("redundant", *_redundancy(report), examples.well_generalized),
        ExampleGroup("kept", "Kept", "Retained, with the highest scores.", examples.kept),
    )
    return tuple(group for group in groups if group.rows)


def _redundancy(report: Report) -> tuple[str, str]:
    """The heading of the pruned rows that are predicted best, and what that means."""
    if not has_learned(report):
        return "Predicted best", MEANINGLESS
    return "Redundant", "Pruned, best explained by the other rows."


def _suspicion(report: Report) -> tuple[str, str]:
    """The heading of the rows that are predicted worst, and what that means."""
    rows = report.examples.poorly_generalized
    if not has_learned(report):
        return "Predicted worst", MEANINGLESS
    lowest = min((row.internal_generalization for row in rows if row.internal_generalization is not None), default=0.0)
    if lowest >= CONTRADICTED:
        return "Explained least", "The other rows explain even these; none is contradicted."
    if all(row.label is None for row in rows):
        return "Hard or faulty", "The other rows explain these least: look here first."
    return "Suspect", "The other rows contradict their labels: hard, or mislabelled. Look here first."


def picture(row: ReportExample) -> str | None:
    """Return the row's picture as a data URI; None if it has none, or anything else in its place."""
    uri = row.sample.image if row.sample else None
    if uri is None or len(uri) > LARGEST_PICTURE:
        return None
    return next((uri for prefix in PICTURES if uri.startswith(prefix) and BASE64.issuperset(uri[len(prefix) :])), None)


def text(row: ReportExample) -> str | None:
    """Return the beginning of the row's text; None if it is none."""
    return None if row.sample is None or row.sample.text is None else excerpt(row.sample.text, LONGEST_TEXT)


def turns(row: ReportExample) -> tuple[tuple[str, str], ...]:
    """Return role and content of the row's first turns; none if it is no conversation."""
    spoken = (row.sample and row.sample.turns) or ()
    return tuple(
        (excerpt(turn.role, LONGEST_VALUE), excerpt(turn.content, LONGEST_TURN)) for turn in spoken[:MOST_TURNS]
    )


def values(row: ReportExample) -> tuple[tuple[str, str], ...]:
    """Return column and value of the row's first columns; none if it is no record."""
    record = (row.sample and row.sample.record) or {}
    shown = list(record.items())[:MOST_VALUES]
    return tuple((excerpt(column, LONGEST_VALUE), excerpt(value, LONGEST_VALUE)) for column, value in shown)


def left_out(row: ReportExample) -> int:
    """Return how many of the row's turns or columns are not shown."""
    if row.sample is None:
        return 0
    return max(0, len(row.sample.turns or ()) - MOST_TURNS) + max(0, len(row.sample.record or {}) - MOST_VALUES)


def excerpt(value: str, most: int) -> str:
    """Return the text, or its first characters and an ellipsis."""
    return value if len(value) <= most else value[:most].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def spoken_name(row: ReportExample) -> str:
    """Return what a reader who cannot see the picture is told."""
    return " ".join(_words_of(row))


def _words_of(row: ReportExample) -> Iterator[str]:
    yield f"Row {row.row_index}"
    if row.label is not None:
        yield f"labelled {excerpt(row.label, LONGEST_VALUE)}"
    if row.likeliest is not None:
        yield f"taken for {excerpt(row.likeliest, LONGEST_VALUE)}"
