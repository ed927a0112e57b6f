"""`Retry-After`, in both of its forms."""

from datetime import UTC, datetime
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ted_core.retry_after import parse_retry_after

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param("120", 120, id="a number"),
        pytest.param(" 120 ", 120, id="a number with spaces around it"),
        pytest.param("0", 0, id="at once"),
        pytest.param("9" * 400, inf, id="a number beyond any float"),
        pytest.param("Thu, 01 Jan 2026 00:00:30 GMT", 30, id="a date"),
        pytest.param("Thursday, 01-Jan-26 00:00:30 GMT", 30, id="a date as in RFC 850"),
        pytest.param("Thu Jan  1 00:00:30 2026", 30, id="a date as C writes it, without a zone"),
        pytest.param("Thu, 01 Jan 2026 00:00:30 -0000", 30, id="a zone that says nothing"),
        pytest.param("Thu, 01 Jan 2026 01:00:30 +0100", 30, id="another zone"),
        pytest.param("Wed, 21 Oct 2015 07:28:00 GMT", 0, id="a date that has passed"),
        pytest.param("-5", None, id="a negative number"),
        pytest.param("1.5", None, id="a fraction"),
        pytest.param("٣", None, id="a digit that is not ASCII"),
        pytest.param("soon", None, id="a word"),
        pytest.param("", None, id="nothing"),
        pytest.param("Thu, 01 Jan 2026 00:00:30 +99999999999999999999", None, id="a zone beyond any calendar"),
    ],
)
def test_seconds_and_dates_are_understood_and_everything_else_is_none(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, now=NOW) == seconds


@given(st.text() | st.from_regex(r"Thu, [0-9]+ Jan [0-9]+ [0-9]+:[0-9]+:[0-9]+ [+-][0-9]+", fullmatch=True))
def test_no_value_of_a_stranger_raises_or_asks_for_negative_seconds(value: str) -> None:
    seconds = parse_retry_after(value, now=NOW)

    assert seconds is None or seconds >= 0
