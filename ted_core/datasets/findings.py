"""What reading a dataset notices besides its result: warnings, files passed over, columns left out.

Readers lie deep below whoever wants to know, so what they notice is collected for the block that they run in, as for
``ted_core.datasets.budget``. What is remembered between inspections must hold its findings too: a reader that is not
run notices nothing. A reader's own threads have no collector: notes belong into the thread that called the reader.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from ted_core.warnings import JobWarning, WarningCode

SHOWN = 100
"""Files passed over and columns left out that are named; the others are counted."""
MOST_WARNINGS = 100
"""A reader names many columns in one warning. A plug-in that warns of each row must not fill memory and answers."""


@dataclass
class Findings:
    """What has been noticed so far, each thing once, in order."""

    warnings: dict[JobWarning, None] = field(default_factory=dict)
    passed_over: dict[str, str] = field(default_factory=dict)
    """A file's name in the dataset's folder → why it is not read."""
    passed_over_unnamed: dict[str, int] = field(default_factory=dict)
    """Where files lie that are passed over as well, but too many to be named → how many."""
    left_out: dict[str, str] = field(default_factory=dict)
    """A column → why it is not an input."""

    def add(self, other: "Findings") -> None:
        """Add what another reader has noticed."""
        self.warnings |= other.warnings
        self.passed_over |= other.passed_over
        self.passed_over_unnamed |= other.passed_over_unnamed
        self.left_out |= other.left_out


_current: ContextVar[Findings | None] = ContextVar("findings", default=None)


@contextmanager
def collect_findings() -> Iterator[Findings]:
    """Collect what is noticed in the block; an outer block hears of it too."""
    outer, findings = _current.get(), Findings()
    token = _current.set(findings)
    try:
        yield findings
    finally:
        _current.reset(token)
        if outer is not None:
            outer.add(findings)


@contextmanager
def unheard_findings() -> Iterator[Findings]:
    """Collect what is noticed in the block, of which no outer block hears: it may not hold for the whole dataset."""
    token = _current.set(noticed := Findings())
    try:
        yield noticed
    finally:
        _current.reset(token)


def findings() -> Findings:
    """Return what is being collected in this thread; if nobody collects, what is added to it is lost."""
    return _current.get() or Findings()


def warn(code: WarningCode, fact: str, *, field: str) -> None:
    """Note a warning; if nobody collects, give Python's own, so that none goes unheard."""
    warning = JobWarning.of(code, fact, field=field)
    if (current := _current.get()) is None:
        warnings.warn(f"{warning.code}: {warning.message}", stacklevel=2)
    elif len(current.warnings) < MOST_WARNINGS:
        current.warnings[warning] = None
