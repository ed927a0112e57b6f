"""The `Retry-After` header of HTTP (RFC 9110, section 10.2.3), for senders and clients alike."""

from datetime import UTC, datetime


def parse_retry_after(value: str, *, now: datetime) -> float | None:
    """Return the seconds to wait: 0 for a date that has passed, None if the value is neither a number nor a date.

    ``now`` is aware. A date without a zone, or with the zone ``-0000``, is in UTC.

    >>> parse_retry_after("120", now=datetime(2026, 1, 1, tzinfo=UTC))
    120.0
    >>> parse_retry_after("Thu, 01 Jan 2026 00:00:30 GMT", now=datetime(2026, 1, 1, tzinfo=UTC))
    30.0
    """
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - as slow to load as all of `ted_client.errors`

    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())
