"""The findings of checks."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """A fact about an installation, how bad it is, and what would fix it."""

    subject: str
    verdict: Verdict
    fact: str
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the finding as it is printed."""
        return asdict(self)


def ok_finding(subject: str, fact: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(subject, "ok", fact)


def warning_finding(subject: str, fact: str, remedy: str) -> Finding:
    """Return a finding of something because of which jobs run less well than they could, or not for much longer."""
    return Finding(subject, "warning", fact, remedy)


def problem_finding(subject: str, fact: str, remedy: str) -> Finding:
    """Return a finding of something because of which jobs wait or fail until it is fixed."""
    return Finding(subject, "problem", fact, remedy)
