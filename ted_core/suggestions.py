"""What may have been meant by a name that there is not."""

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST, MOST = 100, 10_000
"""Characters of a name and number of names that are compared: comparing takes time."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return ``; did you mean 'train'?`` for the name that is most like this one, or nothing if none is.

    >>> did_you_mean("mpl", ["cnn", "mlp"])
    "; did you mean 'mlp'?"
    >>> did_you_mean("resnet50", ["cnn", "mlp"])
    ''
    """
    compared = [known for known, _ in zip(names, range(MOST), strict=False) if len(known) <= LONGEST]
    alike = get_close_matches(name, compared, n=1) if len(name) <= LONGEST else []
    return f"; did you mean {alike[0]!r}?" if alike else ""
