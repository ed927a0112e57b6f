"""What a check has found."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One fact about an installation, how bad it is, and what would mend it."""

    subject: str
    verdict: Verdict
    fact: str
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def ok_finding(subject: str, fact: str) -> Finding:
    """As it should be."""
    return Finding(subject, "ok", fact)


def warning_finding(subject: str, fact: str, remedy: str) -> Finding:
    """Jobs run, but not as well as they might, or not for long."""
    return Finding(subject, "warning", fact, remedy)


def problem_finding(subject: str, fact: str, remedy: str) -> Finding:
    """Jobs wait or fail until this is mended."""
    return Finding(subject, "problem", fact, remedy)
