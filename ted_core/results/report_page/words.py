"""Values as text that people read."""

from datetime import UTC, datetime

from ted_core.results.provenance import CandidateFacts

MISSING = "\N{EN DASH}"
MINUTE, HOUR = 60, 3600


def number(value: int | None) -> str:
    """Write an integer, such as 12,345."""
    return MISSING if value is None else f"{value:,}"


def percent(value: float | None) -> str:
    """Write a fraction as a percentage, such as 59.9 %."""
    return MISSING if value is None else f"{value:.1%}".replace("%", "\N{NARROW NO-BREAK SPACE}%")


def decimal(value: float | None, digits: int = 3) -> str:
    """Write a number with a fixed count of decimals, such as 0.123."""
    return MISSING if value is None else f"{value:.{digits}f}"


def exponent(value: float) -> str:
    """Write an exponent, such as 2 or 0.25."""
    return f"{value:g}"


def candidate(facts: CandidateFacts) -> str:
    """Name a candidate by its exponent, such as q = 2, or by its rule: margin, random."""
    return str(facts.rule) if facts.q is None else f"q = {exponent(facts.q)}"


def seconds(value: float) -> str:
    """Write a duration in suitable units: 0.12 s, 1.2 s, 3 min 20 s, 5 h 3 min."""
    if value < MINUTE:
        return f"{value:.2f} s" if value < 1 else f"{value:.1f} s"
    whole = round(value)
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"


def sentence(text: str) -> str:
    """Begin the text with a capital letter and end it with a full stop."""
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."


def name(value: str | None) -> str:
    """Write a name from the dataset, in quotation marks if it would otherwise be invisible."""
    if value is None:
        return MISSING
    return value if value.strip() else f"\N{LEFT DOUBLE QUOTATION MARK}{value}\N{RIGHT DOUBLE QUOTATION MARK}"


def setting(value: object) -> str:
    """Write a setting's value, such as yes, no, 0.05 or mlp."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def clock(value: datetime) -> str:
    """Write a time in UTC, such as 2026-01-31 12:00 UTC."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
