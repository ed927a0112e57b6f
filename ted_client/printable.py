"""Text that came from elsewhere, made harmless for a terminal."""

from rich.markup import escape


def printable(name: str) -> str:
    """The name without what would command the terminal."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in name)


def literal(text: object) -> str:
    """The text, its lines kept, in which rich and the terminal find nothing but signs to show."""
    return escape("\n".join(map(printable, str(text).split("\n"))))
