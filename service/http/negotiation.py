"""Which of several media types a client prefers (RFC 9110, section 12.5.1)."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

MOST_RANGES = 100
"""Media ranges of one header that are considered; no client means more."""
MOST_PARAMETERS = 16
"""The same for the parts of one range."""


def preferred_media_type(accept: str | None, offered: Sequence[str]) -> str:
    """Return the offered media type that the header prefers; of several preferred alike, or of none, the first."""
    weights = dict(_media_ranges(accept or "*/*"))
    return max(offered, key=lambda media_type: _weight(media_type, weights))


def _weight(media_type: str, weights: dict[str, float]) -> float:
    """Return the weight that the most specific range gives this type; 0 if none covers it."""
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    return next((weights[name] for name in ranges if name in weights), 0.0)


def _media_ranges(accept: str) -> Iterator[tuple[str, float]]:
    """Yield every media range of the header with its weight; one whose weight is not a number is left out."""
    for part in accept.lower().split(",", MOST_RANGES)[:MOST_RANGES]:
        name, *parameters = (word.strip() for word in part.split(";", MOST_PARAMETERS)[:MOST_PARAMETERS])
        weights = [value for key, _, value in (word.partition("=") for word in parameters) if key == "q"]
        with suppress(ValueError):
            yield name, float(weights[0]) if weights else 1.0
