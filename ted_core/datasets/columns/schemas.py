"""Names of columns, short enough for an error message."""

from collections.abc import Iterable
from itertools import islice

LISTED, LONGEST_NAME = 30, 100


def abbreviated_list(names: Iterable[str]) -> str:
    """Return the first names for an error message: long ones cut, without characters that control a terminal."""
    return ", ".join(_printable(name[:LONGEST_NAME]) for name in islice(names, LISTED))


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
