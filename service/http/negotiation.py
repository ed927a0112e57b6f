"""Which of several media types a client would rather have (RFC 9110, section 12.5.1)."""

from collections.abc import Iterator, Sequence
from contextlib import suppress


def preferred(accept: str | None, offered: Sequence[str]) -> str:
    """The offered media type that the header likes best; of several liked alike, or of none, the first."""
    wanted = dict(_weighed(accept or "*/*"))
    return max(offered, key=lambda media_type: _weight(media_type, wanted))


def _weight(media_type: str, wanted: dict[str, float]) -> float:
    """The weight that the most specific range gives this type; 0 where none covers it."""
    kind = media_type.partition("/")[0]
    names = (media_type, f"{kind}/*", "*/*")
    return next((wanted[name] for name in names if name in wanted), 0.0)


def _weighed(accept: str) -> Iterator[tuple[str, float]]:
    """Every media range of the header with its weight; one whose weight is no number is left out."""
    for part in accept.lower().split(","):
        name, *parameters = (word.strip() for word in part.split(";"))
        weights = [value for key, _, value in (word.partition("=") for word in parameters) if key == "q"]
        with suppress(ValueError):
            yield name, float(weights[0]) if weights else 1.0
